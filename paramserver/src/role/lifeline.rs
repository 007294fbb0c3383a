//! Ends a process when the one that started it is gone, even if that was killed without a chance to say so.

use std::io::{self, Read};

/// Ends the process when its standard input ends. The parent keeps the other end of that pipe open as long as it
/// lives.
///
/// # Errors
/// No thread can be started.
pub fn tie_to_stdin() -> io::Result<()> {
    std::thread::Builder::new().name("lifeline".to_owned()).spawn(|| {
        let mut input = io::stdin().lock();
        let mut ignored = [0; 64];
        loop {
            match input.read(&mut ignored) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => std::process::exit(0),
            }
        }
    })?;
    Ok(())
}
