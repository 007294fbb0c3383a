//! The functions of the tests, which the binary `howdah-rdd-tests` and the programs of the tests register.

mod gather;
mod plain;
mod shared;
mod trouble;
mod watched;

use howdah_driver::rdd::Registry;

pub use gather::{Append, Gather, SumFrom};
pub use plain::{
    AddOne, Double, Endless, IsEven, Large, Modulo, Negative, Repeat, Tagged, Times, ToPair, Words,
};
pub use shared::{Adds, AddsEach, LooksUp};
pub use trouble::Trouble;
pub use watched::{Gate, Traced};

/// The registry of the tests.
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.map::<Double>().map::<Large>().map::<ToPair>().filter::<IsEven>().flat_map::<Words>();
    registry.flat_map::<Times>().key_by::<Modulo>().key_by::<Negative>();
    registry.map_values::<AddOne>().flat_map_values::<Repeat>();
    registry.map_partitions::<Tagged>().map_partitions::<Endless>();
    registry.aggregate::<SumFrom>().aggregate::<Append>().combine::<Gather>();
    registry.map::<Adds>().for_each::<AddsEach>().map::<LooksUp>();
    registry.map::<Trouble>().map::<Gate>().map_partitions::<Traced>();
    registry
}
