//! What the process may still do once it has its socket, its key and its guard: answer, and write the guard. No new connection,
//! no other program, no look into another process.

use rustix::{
    process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit},
    thread::set_no_new_privs,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// The most memory for data, in bytes: messages are short, and a few are worked on at a time.
const MOST_DATA: u64 = 256 << 20;

/// Why the process cannot be shut in.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A limit.
    #[error("this process cannot be kept from being read or from growing: {0}")]
    Limit(#[from] rustix::io::Errno),
    /// The filter of system calls.
    #[error("system calls cannot be filtered (seccomp): {0}")]
    Filter(String),
}

/// Keeps this process's memory to itself (no core dumps, and no debugger of the same user), and its rights what they are, whatever it
/// starts. To be called before there are other threads.
///
/// # Errors
/// `Limit`.
pub fn harden() -> Result<(), SandboxError> {
    set_no_new_privs(true)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

/// Bounds this process's memory.
///
/// # Errors
/// `Limit`.
pub fn bound_memory() -> Result<(), SandboxError> {
    Ok(setrlimit(Resource::Data, Rlimit { current: Some(MOST_DATA), maximum: Some(MOST_DATA) })?)
}

/// Shuts this process in, all its threads: what is not needed any more fails with EPERM.
///
/// # Errors
/// `Filter`.
pub fn enter() -> Result<(), SandboxError> {
    seccompiler::apply_filter_all_threads(&filter()?).map_err(|error| SandboxError::Filter(error.to_string()))
}

fn filter() -> Result<BpfProgram, SandboxError> {
    let failed = |error: &dyn std::fmt::Display| SandboxError::Filter(error.to_string());
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| failed(&error))?;
    let rules = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let errno = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, errno, SeccompAction::Allow, arch).map_err(|error| failed(&error))?;
    filter.try_into().map_err(|error: seccompiler::BackendError| failed(&error))
}

/// The system calls of a thread that reads and writes what is open, opens and replaces the guard, and starts threads.
const ALLOWED: &[i64] = &[
    // Connections that were made to us, and files.
    libc::SYS_accept4,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_ppoll,
    libc::SYS_openat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    // Waiting for whoever unlocks the key.
    #[cfg(feature = "memory")]
    libc::SYS_epoll_ctl,
    #[cfg(feature = "memory")]
    libc::SYS_epoll_pwait,
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    // Threads.
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_prctl,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    // Time and chance.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    // The older calls that the same functions make here.
    #[cfg(all(feature = "memory", target_arch = "x86_64"))]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
];

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        net::{TcpListener, TcpStream},
        os::unix::net::UnixStream,
        process::Command,
    };

    use super::*;

    #[test]
    fn inside_there_is_no_network_and_no_other_program_and_files_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        // Of this thread only, which ends with the test.
        let inside = std::thread::spawn(move || {
            seccompiler::apply_filter(&filter().unwrap()).unwrap();
            let refused = |result: std::io::Result<()>| result.unwrap_err().raw_os_error() == Some(libc::EPERM);
            assert!(refused(TcpStream::connect("127.0.0.1:9").map(drop)));
            assert!(refused(TcpListener::bind("127.0.0.1:0").map(drop)));
            assert!(refused(UnixStream::connect("/nowhere").map(drop)));
            assert!(refused(Command::new("/bin/true").spawn().map(drop)));
            let file = File::create(&path).unwrap();
            file.sync_all().unwrap();
            std::fs::rename(&path, path.with_extension("new")).unwrap();
            std::thread::spawn(|| assert!(TcpStream::connect("127.0.0.1:9").is_err())).join().unwrap();
        });
        inside.join().unwrap();
    }
}
