use howdah_proto::lineage::OperatorSpec;
use serde::{Serialize, de::DeserializeOwned};

/// What a record, or a part of one, may be: anything that serde can write and read without being told more than its
/// type.
pub trait Data: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Data for T {}

/// A user's function: a struct whose serialised fields are its parameters. What it does is said by one of [`Map`],
/// [`Filter`] and the others in their folder.
///
/// It is registered by name and version in the `main` of a driver or executor binary, see [`Registry`]. Every task
/// works with its own copy; scratch memory that it keeps between records goes into fields marked `#[serde(skip)]`.
///
/// [`Map`]: super::Map
/// [`Filter`]: super::Filter
/// [`Registry`]: crate::rdd::Registry
pub trait Function: Serialize + DeserializeOwned + Send + 'static {
    /// The name it is looked up by.
    const NAME: &'static str;
    /// The version of its behaviour; another version is another function.
    const VERSION: u32 = 1;

    /// Checks the parameters after they were read.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Writes a function and its parameters down as a spec.
pub fn spec_of<F: Function>(function: &F) -> OperatorSpec {
    // A struct of plain fields always serialises; one that didn't would be refused when it is built again.
    let params = serde_json::to_value(function).unwrap_or_default();
    OperatorSpec { name: F::NAME.to_owned(), version: F::VERSION, params }
}
