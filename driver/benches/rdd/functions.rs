//! The functions of the workloads.

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use howdah_driver::rdd::{Failure, Function, Map, Registry};
use serde::{Deserialize, Serialize};

/// Different keys of `reduce_by_key`.
pub const KEYS: i64 = 100_003;

/// Makes a pair of a number's remainder and 1.
#[derive(Serialize, Deserialize)]
pub struct Remainder;

impl Function for Remainder {
    const NAME: &'static str = "bench_remainder";
}

impl Map for Remainder {
    type Input = i64;
    type Output = (i64, u64);

    fn map(&mut self, number: i64) -> Result<(i64, u64), Failure> {
        Ok((number % KEYS, 1))
    }
}

/// Says who computes it and when it began, in a file, and holds on until there is a file `go`.
#[derive(Serialize, Deserialize)]
pub struct Holds {
    pub folder: PathBuf,
}

impl Function for Holds {
    const NAME: &'static str = "bench_holds";
}

impl Map for Holds {
    type Input = i64;
    type Output = u32;

    fn map(&mut self, _: i64) -> Result<u32, Failure> {
        let id = std::process::id();
        let began = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        let (hidden, shown) = (self.folder.join(format!(".{id}")), self.folder.join(id.to_string()));
        let write =
            fs::write(&hidden, began.as_nanos().to_string()).and_then(|()| fs::rename(&hidden, &shown));
        write.map_err(|error| error.to_string())?;
        while !self.folder.join("go").exists() {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(id)
    }
}

/// The key of a record: 10 bytes that compare as a number.
pub type Key = (u64, u16);

/// Makes a record of 100 bytes: 10 of a key that is spread by a multiplicative hash, and 90 of a value.
#[derive(Serialize, Deserialize)]
pub struct HundredBytes;

impl Function for HundredBytes {
    const NAME: &'static str = "bench_hundred_bytes";
}

impl Map for HundredBytes {
    type Input = i64;
    type Output = (Key, Text);

    fn map(&mut self, number: i64) -> Result<(Key, Text), Failure> {
        Ok((((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), 0), Text))
    }
}

/// The value of a record: always the same 90 bytes, which only travel as bytes.
#[derive(Debug, Clone, Copy)]
pub struct Text;

const TEXT: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

impl Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(TEXT)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|_| Self)
    }
}

/// Registers all of them.
pub fn register(registry: &mut Registry) {
    registry.map::<Remainder>().map::<HundredBytes>().map::<Holds>();
}
