//! SQLite's file system interface over the disks of this thread.
//!
//! Written by hand, since the crates that wrap the interface hide what this is about: that deleting a file may ask for its
//! directory to be synced, and of what kind a new file is.
//!
//! As SQLite's own file system for Unix does, the first sync of a journal or log that may be new syncs its directory too,
//! and nothing does so for a new database.

#![allow(unsafe_code)]

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr,
    sync::OnceLock,
};

use rusqlite::ffi::{
    self, SQLITE_ACCESS_EXISTS, SQLITE_BUSY, SQLITE_CANTOPEN, SQLITE_FULL, SQLITE_IOCAP_POWERSAFE_OVERWRITE,
    SQLITE_IOERR_CLOSE, SQLITE_IOERR_DELETE, SQLITE_IOERR_DELETE_NOENT, SQLITE_IOERR_FSTAT, SQLITE_IOERR_FSYNC,
    SQLITE_IOERR_READ, SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE, SQLITE_LOCK_EXCLUSIVE,
    SQLITE_LOCK_NONE, SQLITE_LOCK_RESERVED, SQLITE_LOCK_SHARED, SQLITE_NOTFOUND, SQLITE_OK, SQLITE_OPEN_CREATE,
    SQLITE_OPEN_MAIN_JOURNAL, SQLITE_OPEN_SUPER_JOURNAL, SQLITE_OPEN_WAL, SQLITE_READONLY, sqlite3_file, sqlite3_int64,
    sqlite3_io_methods, sqlite3_vfs,
};

use super::{Disk, Honesty, Trouble, directory::FileId, with};

/// The name by which SQLite knows these disks.
pub const VFS: &str = "simulated";
const NAME: &CStr = c"simulated";
/// What SQLite's own file system for Unix says.
const SECTOR: c_int = 4_096;
const LONGEST_PATH: c_int = 64;
/// 2023, in milliseconds of the Julian calendar: SQLite is to have no other clock.
const NOW: sqlite3_int64 = 212_560_000_000_000;

/// An open file. SQLite allocates it, and knows its beginning.
#[repr(C)]
struct OpenFile {
    base: sqlite3_file,
    disk: usize,
    file: FileId,
    lock: c_int,
    /// Whether the directory is to be synced with it: its name may be new, though not by this process.
    names_unsynced: bool,
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    // Without shared memory: SQLite then takes WAL only with exclusive locking, as the store does.
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// Makes the disks known to SQLite by the name [`VFS`]. Doing it again does nothing.
///
/// # Panics
/// SQLite refuses, which it does only without memory.
pub fn register() {
    static REGISTERED: OnceLock<c_int> = OnceLock::new();
    let code = *REGISTERED.get_or_init(|| {
        let vfs = Box::new(sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<OpenFile>() as c_int,
            mxPathname: LONGEST_PATH,
            pNext: ptr::null_mut(),
            zName: NAME.as_ptr(),
            pAppData: ptr::null_mut(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: Some(last_error),
            xCurrentTimeInt64: Some(current_time_int64),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        });
        // SAFETY: SQLite keeps the pointer for as long as the process lives, and so does the leaked box. The functions in it
        // touch nothing but their arguments and the disks of the calling thread.
        unsafe { ffi::sqlite3_vfs_register(Box::leak(vfs), 0) }
    });
    assert_eq!(code, SQLITE_OK, "SQLite does not take the simulated file system");
}

/// Disk and file name of a path like `/3/store.sqlite-wal`.
///
/// # Safety
/// `path` is null or a C string that outlives the answer.
unsafe fn split<'a>(path: *const c_char) -> Option<(usize, &'a str)> {
    if path.is_null() {
        return None;
    }
    // SAFETY: as the caller says.
    let path = unsafe { CStr::from_ptr(path) }.to_str().ok()?;
    let (disk, name) = path.strip_prefix('/')?.split_once('/')?;
    Some((disk.parse().ok()?, name))
}

/// # Safety
/// `file` was opened by [`open`] and is not closed.
unsafe fn opened<'a>(file: *mut sqlite3_file) -> &'a mut OpenFile {
    // SAFETY: SQLite allocated `szOsFile` bytes for it, `open` filled them, and SQLite uses one file in one thread at a time.
    unsafe { &mut *file.cast::<OpenFile>() }
}

/// One operation on the disk of an open file; `failure` if there is no such disk, or it has stopped.
fn operate(open: &OpenFile, failure: c_int, work: impl FnOnce(&mut Disk, Option<Trouble>) -> c_int) -> c_int {
    with(open.disk, |disk| match disk.operate() {
        Some(Trouble::Stopped) => failure,
        trouble => {
            let code = work(disk, trouble);
            if trouble.is_some() && code != SQLITE_OK {
                disk.refusals += 1;
            }
            code
        }
    })
    .unwrap_or(failure)
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    path: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: `file` has room for an `OpenFile`; `path` is null or a C string. Until `pMethods` is set, SQLite does not close it.
    unsafe { (*file).pMethods = ptr::null() };
    let Some((disk, name)) = (unsafe { split(path) }) else { return SQLITE_CANTOPEN };
    let is_log = flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL) != 0;
    let found = with(disk, |disk| {
        let trouble = disk.operate();
        match disk.directory.find(name) {
            _ if trouble == Some(Trouble::Stopped) => Err(SQLITE_CANTOPEN),
            Some(id) => Ok(id),
            None if flags & SQLITE_OPEN_CREATE == 0 => Err(SQLITE_CANTOPEN),
            None if matches!(trouble, Some(Trouble::Full)) => Err(SQLITE_FULL),
            None if matches!(trouble, Some(Trouble::ReadOnly)) => Err(SQLITE_CANTOPEN),
            None => Ok(disk.directory.create(Some(name))),
        }
    });
    match found {
        Some(Ok(file_id)) => {
            let base = sqlite3_file { pMethods: &METHODS };
            let names_unsynced = is_log && flags & SQLITE_OPEN_CREATE != 0;
            let opened = OpenFile { base, disk, file: file_id, lock: SQLITE_LOCK_NONE, names_unsynced };
            // SAFETY: as above; `out_flags` is null or a place for a number.
            unsafe {
                file.cast::<OpenFile>().write(opened);
                if !out_flags.is_null() {
                    *out_flags = flags;
                }
            }
            SQLITE_OK
        }
        Some(Err(code)) => code,
        None => SQLITE_CANTOPEN,
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, path: *const c_char, sync_directory: c_int) -> c_int {
    // SAFETY: `path` is a C string.
    let Some((disk, name)) = (unsafe { split(path) }) else { return SQLITE_IOERR_DELETE };
    let code = with(disk, |disk| match disk.operate() {
        Some(Trouble::Stopped | Trouble::ReadOnly) => SQLITE_IOERR_DELETE,
        _ if disk.directory.find(name).is_none() => SQLITE_IOERR_DELETE_NOENT,
        trouble => {
            disk.directory.remove(name);
            if sync_directory != 0 && disk.honest == Honesty::Honest {
                if trouble == Some(Trouble::SyncFails) {
                    return SQLITE_IOERR_FSYNC;
                }
                disk.directory.sync();
            }
            SQLITE_OK
        }
    });
    code.unwrap_or(SQLITE_IOERR_DELETE)
}

unsafe extern "C" fn access(_: *mut sqlite3_vfs, path: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    // SAFETY: `path` is a C string, `out` a place for a number.
    let Some((disk, name)) = (unsafe { split(path) }) else { return SQLITE_CANTOPEN };
    let there = with(disk, |disk| {
        let file = disk.directory.find(name);
        // SQLite asks for journals that may be hot: an empty one is none.
        file.is_some_and(|id| flags != SQLITE_ACCESS_EXISTS || disk.directory.file(id).length() > 0)
    });
    // SAFETY: as above.
    unsafe { *out = c_int::from(there == Some(true)) };
    SQLITE_OK
}

unsafe extern "C" fn full_pathname(_: *mut sqlite3_vfs, path: *const c_char, length: c_int, out: *mut c_char) -> c_int {
    // SAFETY: `path` is a C string and `out` has room for `length` bytes.
    unsafe {
        let bytes = CStr::from_ptr(path).to_bytes_with_nul();
        if bytes.len() > length as usize {
            return SQLITE_CANTOPEN;
        }
        ptr::copy_nonoverlapping(bytes.as_ptr(), out.cast(), bytes.len());
    }
    SQLITE_OK
}

/// SQLite's own randomness (names of temporary files, salts of logs) decides nothing; zeros do.
unsafe extern "C" fn randomness(_: *mut sqlite3_vfs, length: c_int, out: *mut c_char) -> c_int {
    // SAFETY: `out` has room for `length` bytes.
    unsafe { ptr::write_bytes(out, 0, length as usize) };
    length
}

unsafe extern "C" fn sleep(_: *mut sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

unsafe extern "C" fn current_time(_: *mut sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: `out` is a place for a number.
    unsafe { *out = NOW as f64 / 86_400_000.0 };
    SQLITE_OK
}

unsafe extern "C" fn current_time_int64(_: *mut sqlite3_vfs, out: *mut sqlite3_int64) -> c_int {
    // SAFETY: `out` is a place for a number.
    unsafe { *out = NOW };
    SQLITE_OK
}

unsafe extern "C" fn last_error(_: *mut sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: opened before. A machine that has stopped closes nothing, but its process is gone with its locks.
    let code = unsafe { unlock(file, SQLITE_LOCK_NONE) };
    if code == SQLITE_OK { SQLITE_OK } else { SQLITE_IOERR_CLOSE }
}

unsafe extern "C" fn read(file: *mut sqlite3_file, buffer: *mut c_void, length: c_int, offset: sqlite3_int64) -> c_int {
    // SAFETY: opened before, and `buffer` has room for `length` bytes.
    let (open, buffer) =
        unsafe { (opened(file), std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length as usize)) };
    operate(open, SQLITE_IOERR_READ, |disk, _| {
        let read = disk.directory.file(open.file).read(offset as usize, buffer);
        if read == buffer.len() { SQLITE_OK } else { SQLITE_IOERR_SHORT_READ }
    })
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: opened before, and there are `length` bytes.
    let (open, bytes) = unsafe { (opened(file), std::slice::from_raw_parts(bytes.cast::<u8>(), length as usize)) };
    operate(open, SQLITE_IOERR_WRITE, |disk, trouble| {
        let Disk { directory, random, .. } = disk;
        let content = directory.file(open.file);
        let offset = offset as usize;
        match trouble {
            Some(Trouble::ReadOnly) => SQLITE_READONLY,
            Some(Trouble::Full) if offset + bytes.len() > content.length() => SQLITE_FULL,
            Some(Trouble::WriteFails) => {
                let part = random.index(bytes.len() + 1);
                content.write(offset, &bytes[..part]);
                SQLITE_IOERR_WRITE
            }
            _ => {
                content.write(offset, bytes);
                SQLITE_OK
            }
        }
    })
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, length: sqlite3_int64) -> c_int {
    // SAFETY: opened before.
    let open = unsafe { opened(file) };
    operate(open, SQLITE_IOERR_TRUNCATE, |disk, trouble| match trouble {
        Some(Trouble::ReadOnly | Trouble::WriteFails) => SQLITE_IOERR_TRUNCATE,
        _ => {
            disk.directory.file(open.file).truncate(length as usize);
            SQLITE_OK
        }
    })
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: opened before.
    let open = unsafe { opened(file) };
    let code = operate(open, SQLITE_IOERR_FSYNC, |disk, trouble| {
        if trouble == Some(Trouble::SyncFails) {
            disk.directory.file(open.file).fail_to_sync();
            return SQLITE_IOERR_FSYNC;
        }
        disk.directory.file(open.file).sync();
        if open.names_unsynced && disk.honest == Honesty::Honest {
            disk.directory.sync();
        }
        SQLITE_OK
    });
    open.names_unsynced &= code != SQLITE_OK;
    code
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, out: *mut sqlite3_int64) -> c_int {
    // SAFETY: opened before, and `out` is a place for a number.
    unsafe {
        let open = opened(file);
        operate(open, SQLITE_IOERR_FSTAT, |disk, _| {
            *out = disk.directory.file(open.file).length() as sqlite3_int64;
            SQLITE_OK
        })
    }
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: opened before.
    let open = unsafe { opened(file) };
    if level <= open.lock {
        return SQLITE_OK;
    }
    let held = open.lock;
    let taken = with(open.disk, |disk| {
        let lock = disk.directory.lock(open.file);
        let own = usize::from(held >= SQLITE_LOCK_SHARED);
        if lock.exclusive || level >= SQLITE_LOCK_RESERVED && held < SQLITE_LOCK_RESERVED && lock.reserved {
            return false;
        }
        if level == SQLITE_LOCK_EXCLUSIVE && lock.shared > own {
            return false;
        }
        if own == 0 {
            lock.shared += 1;
        }
        lock.reserved |= level >= SQLITE_LOCK_RESERVED;
        lock.exclusive |= level == SQLITE_LOCK_EXCLUSIVE;
        true
    });
    match taken {
        Some(true) => {
            open.lock = level;
            SQLITE_OK
        }
        _ => SQLITE_BUSY,
    }
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: opened before.
    let open = unsafe { opened(file) };
    if level >= open.lock {
        return SQLITE_OK;
    }
    let held = open.lock;
    with(open.disk, |disk| {
        let lock = disk.directory.lock(open.file);
        lock.reserved &= held < SQLITE_LOCK_RESERVED;
        lock.exclusive &= held < SQLITE_LOCK_EXCLUSIVE;
        if level == SQLITE_LOCK_NONE {
            lock.shared = lock.shared.saturating_sub(1);
        }
    });
    open.lock = level;
    SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: opened before, and `out` is a place for a number.
    unsafe {
        let open = opened(file);
        *out = c_int::from(with(open.disk, |disk| disk.directory.lock(open.file).reserved) == Some(true));
    }
    SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut sqlite3_file) -> c_int {
    SECTOR
}

unsafe extern "C" fn device_characteristics(_: *mut sqlite3_file) -> c_int {
    SQLITE_IOCAP_POWERSAFE_OVERWRITE
}
