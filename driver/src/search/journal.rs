use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Assignment, Flags, Outcome, ReplayError, Study, TrialId, Trials};
use crate::lines;

/// The version of the journal's format.
const VERSION: u32 = 1;

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// What is done: the first line, and no other.
    Study {
        /// The version of the format.
        version: u32,
        /// The flags of `train` that were given, and their values.
        base: BTreeMap<String, Vec<String>>,
        /// The study.
        study: Study,
    },
    /// A trial was begun, or promoted.
    Started {
        /// What is to be done.
        assignment: Assignment,
        /// The flags in which the trial differs from the others.
        flags: Flags,
    },
    /// A trial has ended.
    Ended {
        /// Which.
        trial: TrialId,
        /// What became of it.
        outcome: Outcome,
    },
}

/// A journal that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It can't be read or written.
    #[error("can't use the journal {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Another process writes it.
    #[error("{} is being written by another process", .0.display())]
    Busy(PathBuf),
    /// A line is no entry.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// Its lines make no sense together.
    #[error("{}, {error}", path.display())]
    Replay {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ReplayError,
    },
}

/// The journal of a study: a line of JSON for everything that happened, each durable before anything follows from it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

/// A study as its journal has it.
#[derive(Debug)]
pub struct Recorded {
    /// The flags of `train` that were given, and their values.
    pub base: BTreeMap<String, Vec<String>>,
    /// Where it was.
    pub trials: Trials,
}

impl Journal {
    /// Begins the journal of a study in a folder.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn create(
        folder: &Path,
        study: &Study,
        base: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, JournalError> {
        let path = path_in(folder);
        let file = File::options().create_new(true).read(true).append(true).open(&path);
        let mut this = Self { file: file.map_err(|error| failed(&path, &error))?, path };
        this.lock()?;
        this.append(&Entry::Study { version: VERSION, base: base.clone(), study: study.clone() })?;
        // The file's name must be as durable as its content.
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| failed(&this.path, &error))?;
        Ok(this)
    }

    /// Opens the journal in a folder to go on with it. A last line that was not written to its end is taken away: what
    /// should have followed from it never happened.
    ///
    /// # Errors
    /// [`JournalError`], naming the line.
    pub fn open(folder: &Path) -> Result<(Self, Recorded), JournalError> {
        let path = path_in(folder);
        let file = File::options().read(true).append(true).open(&path);
        let mut this = Self { file: file.map_err(|error| failed(&path, &error))?, path };
        this.lock()?;
        let text = lines::whole_lines(&mut this.file).map_err(|error| failed(&this.path, &error))?;
        let mut entries = Vec::new();
        for (line, number) in text.split_inclusive(|byte| *byte == b'\n').zip(1..) {
            let entry: Entry = serde_json::from_slice(line).map_err(|error| this.wrong(number, error))?;
            entries.push(entry);
        }
        let recorded = match entries.split_first() {
            Some((Entry::Study { version: VERSION, base, study }, rest)) => {
                study.check().map_err(|(flag, reason)| this.wrong(1, format!("{flag}: {reason}")))?;
                let trials = Trials::replay(study.clone(), rest)
                    .map_err(|error| JournalError::Replay { path: this.path.clone(), error })?;
                Recorded { base: base.clone(), trials }
            }
            Some((Entry::Study { version, .. }, _)) => {
                let reason = format!("its version is {version}, and this program reads {VERSION}");
                return Err(this.wrong(1, reason));
            }
            _ => return Err(this.wrong(1, "it does not begin with a study")),
        };
        Ok((this, recorded))
    }

    /// Appends an entry, and returns when it is durable.
    ///
    /// # Errors
    /// [`JournalError::File`].
    pub fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let write = |file: &mut File| {
            let mut line = serde_json::to_vec(entry).map_err(io::Error::from)?;
            line.push(b'\n');
            file.write_all(&line)?;
            file.sync_data()
        };
        write(&mut self.file).map_err(|error| failed(&self.path, &error))
    }

    fn lock(&self) -> Result<(), JournalError> {
        let is_ours = lines::lock(&self.file).map_err(|error| failed(&self.path, &error))?;
        if is_ours { Ok(()) } else { Err(JournalError::Busy(self.path.clone())) }
    }

    fn wrong(&self, line: usize, reason: impl ToString) -> JournalError {
        JournalError::Line { path: self.path.clone(), line, reason: reason.to_string() }
    }
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join("journal.jsonl")
}

fn failed(path: &Path, error: &io::Error) -> JournalError {
    JournalError::File { path: path.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::search::Measured;

    fn study() -> Study {
        Study::CrossValidation { folds: 3, epochs: 2 }
    }

    /// A journal of a study with one fold trained and one under way.
    fn written(folder: &Path) -> String {
        let base = BTreeMap::from([("lr".to_owned(), vec!["0.1".to_owned()])]);
        let mut journal = Journal::create(folder, &study(), &base).unwrap();
        let mut trials = Trials::new(study());
        let measured = Measured { accuracy: Some(0.25), loss: None, seconds: 1.5 };
        for trial in [0, 1] {
            let assignment = trials.next_trial().unwrap();
            let flags = study().drawn(assignment.trial);
            journal.append(&Entry::Started { assignment, flags }).unwrap();
            if trial == 0 {
                let outcome = Outcome::Trained(measured);
                journal.append(&Entry::Ended { trial: TrialId(0), outcome }).unwrap();
            }
        }
        fs::read_to_string(path_in(folder)).unwrap()
    }

    #[test]
    fn a_journal_is_read_as_it_was_written_and_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path());
        let (mut journal, recorded) = Journal::open(folder.path()).unwrap();
        assert_eq!(recorded.base["lr"], ["0.1"]);
        assert_eq!(recorded.trials.study(), &study());
        assert_eq!(recorded.trials.judged().len(), 1);
        assert_eq!(recorded.trials.running().map(|run| run.trial).collect::<Vec<_>>(), [TrialId(1)]);
        let outcome = Outcome::Failed { error: "no".to_owned() };
        journal.append(&Entry::Ended { trial: TrialId(1), outcome }).unwrap();
        drop(journal);
        assert_eq!(Journal::open(folder.path()).unwrap().1.trials.judged().len(), 2);
    }

    #[test]
    fn a_journal_that_was_cut_anywhere_is_read_up_to_there_and_appended_to() {
        let source = tempfile::tempdir().unwrap();
        let text = written(source.path());
        let first = text.find('\n').unwrap() + 1;
        for cut in first..=text.len() {
            let folder = tempfile::tempdir().unwrap();
            fs::write(path_in(folder.path()), &text[..cut]).unwrap();
            let (mut journal, recorded) = Journal::open(folder.path()).unwrap();
            let lines = text[..cut].matches('\n').count();
            assert_eq!(recorded.trials.running().count(), [0, 1, 0, 1][lines - 1], "{cut}");
            let mut trials = recorded.trials;
            let assignment = trials.next_trial().unwrap();
            journal.append(&Entry::Started { assignment, flags: Flags::new() }).unwrap();
            drop(journal);
            assert!(Journal::open(folder.path()).is_ok(), "{cut}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_journal_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let text = written(folder.path());
        let error = |text: String| {
            fs::write(path_in(folder.path()), text).unwrap();
            Journal::open(folder.path()).unwrap_err().to_string()
        };
        assert!(error(String::new()).ends_with("line 1: it does not begin with a study"));
        assert!(error(text.replace("\"version\":1", "\"version\":9")).contains("line 1: its version is 9"));
        assert!(error(text.replace("\"rung\":0", "\"rung\":7")).contains("line 2: trial 0 was started"));
        assert!(
            error(text.replace("\"entry\":\"ended\"", "\"entry\":\"x\"")).contains("line 3: unknown variant")
        );
        assert!(error(text.replace("\"folds\":3", "\"folds\":0")).contains("line 1: --folds"));
    }

    #[test]
    fn two_processes_do_not_write_the_same_journal() {
        let folder = tempfile::tempdir().unwrap();
        let _journal = Journal::create(folder.path(), &study(), &BTreeMap::new()).unwrap();
        assert!(matches!(Journal::open(folder.path()), Err(JournalError::Busy(_))));
    }
}
