use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use howdah_proto::event::Recorded;
use serde::Serialize;

use super::Card;
use crate::lines;

/// The name of a model's card.
pub const CARD_FILE: &str = "model.md";

/// An output folder that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// There is something in it already.
    #[error("the output folder {} is not empty; choose another with --output", .0.display())]
    NotEmpty(PathBuf),
    /// Another run writes it.
    #[error("another process is writing {}: wait until it has ended, or stop it", .0.display())]
    Busy(PathBuf),
    /// It can't be written.
    #[error("can't write {}: {reason}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why, as the operating system says it.
        reason: String,
    },
}

/// Makes a folder, which must not exist or be empty; gives its path from the root.
///
/// # Errors
/// [`OutputError`], naming the folder.
pub fn create_empty(path: &Path) -> Result<PathBuf, OutputError> {
    let failed = |error: io::Error| OutputError::Write { path: path.to_owned(), reason: error.to_string() };
    fs::create_dir_all(path).map_err(failed)?;
    if fs::read_dir(path).map_err(failed)?.next().is_some() {
        return Err(OutputError::NotEmpty(path.to_owned()));
    }
    // Children and the driver may run in other folders.
    path.canonicalize().map_err(failed)
}

/// The output folder of a run.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    events: BufWriter<File>,
}

impl RunFolder {
    /// Makes the folder, which must not exist or be empty, with the folder for logs in it.
    ///
    /// # Errors
    /// [`OutputError`], naming the folder.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| OutputError::Write { path, reason: error.to_string() }
        };
        let path = create_empty(path)?;
        fs::create_dir(path.join("logs")).map_err(failed(&path))?;
        let log = path.join("events.jsonl");
        let events = File::options().create_new(true).append(true).open(&log).map_err(failed(&log))?;
        lock(&events, &log)?;
        Ok(Self { path, events: BufWriter::new(events) })
    }

    /// Opens the folder of a run that is gone on with; events are appended to its log, of which a last line that was not
    /// written to its end is taken away.
    ///
    /// # Errors
    /// [`OutputError`], naming the folder or file.
    pub fn reopen(path: &Path) -> Result<Self, OutputError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| OutputError::Write { path, reason: error.to_string() }
        };
        let path = path.canonicalize().map_err(failed(path))?;
        fs::create_dir_all(path.join("logs")).map_err(failed(&path))?;
        let log = path.join("events.jsonl");
        let mut events =
            File::options().create(true).read(true).append(true).open(&log).map_err(failed(&log))?;
        lock(&events, &log)?;
        lines::whole_lines(&mut events).map_err(failed(&log))?;
        Ok(Self { path, events: BufWriter::new(events) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the model goes.
    pub fn model_path(&self) -> PathBuf {
        self.path.join("model.safetensors")
    }

    /// Appends an event to the log, so that it is there even if this process dies next.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn log(&mut self, event: &Recorded) -> Result<(), OutputError> {
        if !event.event.is_logged() {
            return Ok(());
        }
        let written = serde_json::to_writer(&mut self.events, event)
            .map_err(io::Error::from)
            .and_then(|()| self.events.write_all(b"\n"))
            .and_then(|()| self.events.flush());
        written.map_err(|error| OutputError::Write {
            path: self.path.join("events.jsonl"),
            reason: error.to_string(),
        })
    }

    /// Writes the model file, whole or not at all.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn write_model(&self, model: &[u8]) -> Result<PathBuf, OutputError> {
        write_atomically(&self.model_path(), model)
    }

    /// Where the network goes as ONNX.
    pub fn onnx_path(&self) -> PathBuf {
        self.path.join("model.onnx")
    }

    /// Writes the model card, whole or not at all.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn write_card(&self, card: &Card<'_>) -> Result<PathBuf, OutputError> {
        write_atomically(&self.path.join(CARD_FILE), card.markdown().as_bytes())
    }

    /// Writes the metrics, whole or not at all.
    ///
    /// # Errors
    /// [`OutputError::Write`].
    pub fn write_metrics(&self, metrics: &impl Serialize) -> Result<PathBuf, OutputError> {
        let path = self.path.join("metrics.json");
        let text = serde_json::to_string_pretty(metrics)
            .map_err(|error| OutputError::Write { path: path.clone(), reason: error.to_string() })?;
        write_atomically(&path, format!("{text}\n").as_bytes())
    }
}

/// Keeps other processes from writing to the log of a run, and hence to its folder, for as long as it is open.
fn lock(events: &File, log: &Path) -> Result<(), OutputError> {
    match lines::lock(events) {
        Ok(true) => Ok(()),
        Ok(false) => Err(OutputError::Busy(log.to_owned())),
        Err(error) => Err(OutputError::Write { path: log.to_owned(), reason: error.to_string() }),
    }
}

pub(super) fn write_atomically(path: &Path, content: &[u8]) -> Result<PathBuf, OutputError> {
    let temporary = path.with_extension("partial");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error: io::Error| {
        // It takes space that is perhaps what there was too little of.
        let _removed = fs::remove_file(&temporary);
        OutputError::Write { path: path.to_owned(), reason: error.to_string() }
    })?;
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use howdah_proto::event::Event;

    use super::*;

    #[test]
    fn a_folder_with_something_in_it_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.txt"), "x").unwrap();
        let error = RunFolder::create(folder.path()).unwrap_err();
        assert!(matches!(&error, OutputError::NotEmpty(path) if path == folder.path()), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_event_log_has_a_line_for_each_logged_event() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = RunFolder::create(&folder.path().join("a/b")).unwrap();
        let progress = Event::Progress {
            stage: howdah_proto::StageId(1),
            kind: howdah_proto::event::StageKind::Prepare,
            done: 1,
            total: 2,
        };
        for event in [Event::GoesOn, progress, Event::JobCancelled { reason: "x".to_owned() }] {
            run.log(&Recorded { version: 1, sequence: 0, unix_ms: 5, event }).unwrap();
        }
        let text = fs::read_to_string(run.path().join("events.jsonl")).unwrap();
        let events: Vec<Recorded> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.len(), 2);
    }

    #[test]
    fn two_runs_do_not_write_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run")).unwrap();
        let busy = RunFolder::reopen(run.path()).unwrap_err();
        assert!(matches!(&busy, OutputError::Busy(log) if log.ends_with("events.jsonl")), "{busy}");
        let path = run.path().to_owned();
        drop(run);
        assert!(RunFolder::reopen(&path).is_ok());
    }

    #[test]
    fn a_log_that_was_cut_off_goes_on_with_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("events.jsonl");
        fs::write(&log, "{\"a\":1}\n{\"trunc").unwrap();
        let mut run = RunFolder::reopen(folder.path()).unwrap();
        run.log(&Recorded { version: 1, sequence: 0, unix_ms: 5, event: Event::GoesOn }).unwrap();
        let text = fs::read_to_string(&log).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (2, "{\"a\":1}"));
        assert!(serde_json::from_str::<Recorded>(lines[1]).is_ok(), "{text}");
    }

    #[test]
    fn a_file_is_written_whole_and_leaves_no_partial_one() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&folder.path().join("run")).unwrap();
        let path = run.write_model(b"weights").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"weights");
        assert!(!path.with_extension("partial").exists());
    }
}
