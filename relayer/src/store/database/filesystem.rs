//! Where a lock of the system keeps every other process out, and where not.

use std::path::Path;

use crate::store::StoreError;

/// Network file systems, by the number that Linux gives them. On these a lock can be lost to another host while this one is
/// suspended or cut off, and it would not know.
const NETWORKS: [(u32, &str); 13] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFE53_4D42, "SMB2"),
    (0xFF53_4D42, "CIFS"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "kAFS"),
    (0x7375_7245, "Coda"),
    (0x564C, "NCP"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
];

/// Refuses a file that other hosts may have open too.
#[cfg(target_os = "linux")]
pub(super) fn ensure_local(path: &Path) -> Result<(), StoreError> {
    // What cannot be asked is said by whoever opens it.
    let Ok(found) = rustix::fs::statfs(path) else { return Ok(()) };
    // Signed here and unsigned there; the number has 32 bits everywhere.
    match network(found.f_type as u32) {
        Some(kind) => Err(StoreError::Network { path: path.to_owned(), kind }),
        None => Ok(()),
    }
}

/// Elsewhere nobody says what a file system is.
#[cfg(not(target_os = "linux"))]
pub(super) fn ensure_local(_path: &Path) -> Result<(), StoreError> {
    Ok(())
}

fn network(number: u32) -> Option<&'static str> {
    NETWORKS.iter().find(|(network, _)| *network == number).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_file_system_is_told_from_a_local_one() {
        assert_eq!(network(0x6969), Some("NFS"));
        // ext4, XFS, Btrfs, tmpfs.
        for local in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994] {
            assert_eq!(network(local), None);
        }
        ensure_local(&std::env::temp_dir()).unwrap();
    }
}
