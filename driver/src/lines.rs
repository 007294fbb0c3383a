//! Logs of a line for each thing that happened, which one process at a time appends to.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use rustix::fs::{FlockOperation, flock};

/// Keeps other processes from the log for as long as it is open; tells whether that is so, or another one has it.
///
/// # Errors
/// The file can't be locked.
pub fn lock(log: &File) -> io::Result<bool> {
    match flock(log, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Reads the log, and takes away a last line that was not written to its end.
///
/// # Errors
/// The file can't be read or cut.
pub fn whole_lines(log: &mut File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    log.read_to_end(&mut text)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    if whole < text.len() {
        text.truncate(whole);
        log.set_len(whole as u64)?;
        log.seek(SeekFrom::End(0))?;
    }
    Ok(text)
}
