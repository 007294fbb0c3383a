//! A function that makes trouble.

use std::path::{Path, PathBuf};

use howdah_driver::rdd::{Failure, Function, Map};
use serde::{Deserialize, Serialize};

use crate::rdd::marks;

/// What is left each time that the trouble is met.
const TRIED: &str = "tried";

/// Gives numbers on, but for one, which makes trouble.
#[derive(Debug, Serialize, Deserialize)]
pub struct Trouble {
    kind: Kind,
    on: i64,
    times: Option<(PathBuf, u32)>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Kind {
    Fails,
    Fatal,
    Panics,
    Kills,
}

impl Trouble {
    /// Fails on a number.
    pub fn fails(on: i64) -> Self {
        Self { kind: Kind::Fails, on, times: None }
    }

    /// Fails on a number, once and for all.
    pub fn fatal(on: i64) -> Self {
        Self { kind: Kind::Fatal, ..Self::fails(on) }
    }

    /// Panics on a number.
    pub fn panics(on: i64) -> Self {
        Self { kind: Kind::Panics, ..Self::fails(on) }
    }

    /// Aborts its process on a number.
    pub fn kills(on: i64) -> Self {
        Self { kind: Kind::Kills, ..Self::fails(on) }
    }

    /// Makes trouble only the first so many times. They are counted in a folder.
    #[must_use]
    pub fn times(self, folder: &Path, times: u32) -> Self {
        Self { times: Some((folder.to_owned(), times)), ..self }
    }

    /// How often the number was met; only those in whose folder it is counted know.
    pub fn tried(folder: &Path) -> usize {
        marks::count(folder, TRIED)
    }

    fn is_over(&self) -> bool {
        let over = |(folder, times): &(PathBuf, u32)| marks::leave(folder, TRIED) > *times;
        self.times.as_ref().is_some_and(over)
    }
}

impl Function for Trouble {
    const NAME: &'static str = "trouble";
}

impl Map for Trouble {
    type Input = i64;
    type Output = i64;

    fn map(&mut self, number: i64) -> Result<i64, Failure> {
        if number != self.on || self.is_over() {
            return Ok(number);
        }
        let message = format!("{number} makes trouble");
        match self.kind {
            Kind::Fails => Err(Failure::new(message)),
            Kind::Fatal => Err(Failure::fatal(message)),
            Kind::Panics => panic!("{message}"),
            Kind::Kills => std::process::abort(),
        }
    }
}
