//! A folder that is new for each run.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use eyre::{Result, WrapErr, bail};

/// What is in a folder that may be thrown away.
const MARKER: &str = ".ring-window-demo";

/// Makes a folder new and empty, for its owner only. What a former run left there is deleted, anything else never.
///
/// # Errors
/// There is something else, or the folder cannot be made.
pub fn make_new(folder: &Path) -> Result<PathBuf> {
    match fs::symlink_metadata(folder) {
        Ok(found) if found.is_dir() && folder.join(MARKER).is_file() => fs::remove_dir_all(folder)
            .wrap_err_with(|| format!("what the former run left in {} cannot be deleted", folder.display()))?,
        Ok(found) if found.is_dir() && fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none()) => {
            fs::remove_dir(folder).wrap_err_with(|| format!("{} cannot be made anew", folder.display()))?;
        }
        Ok(_) => bail!(
            "{} exists and was not made by a former run ({MARKER} is not in it): nothing in it is deleted, move it away",
            folder.display()
        ),
        Err(_) => {}
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .and_then(|()| fs::write(folder.join(MARKER), "Made by a run of the demonstration, deleted by the next.\n"))
        .wrap_err_with(|| format!("{} cannot be made", folder.display()))?;
    folder.canonicalize().wrap_err_with(|| format!("{} cannot be found", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_former_run_left_is_deleted() {
        let base = tempfile::tempdir().unwrap();
        let demo = base.path().join("a/demo");
        make_new(&demo).unwrap();
        fs::write(demo.join("old"), "x").unwrap();
        make_new(&demo).unwrap();
        assert!(!demo.join("old").exists());

        let mine = base.path().join("mine");
        fs::create_dir(&mine).unwrap();
        make_new(&mine).unwrap();
        fs::remove_file(mine.join(MARKER)).unwrap();
        fs::write(mine.join("precious"), "x").unwrap();
        let error = make_new(&mine).unwrap_err().to_string();
        assert!(error.contains("nothing in it is deleted"), "{error}");
        assert!(mine.join("precious").exists());

        let file = base.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(make_new(&file).is_err());
        assert!(file.exists());
    }
}
