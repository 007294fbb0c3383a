//! Pictures as records, the operators that transform them, and the blocks that keep them.

mod chain;
mod operator;
mod record;
mod samples;

pub use chain::Chain;
pub use operator::{AnyOperator, Augmentation, Operator, OperatorError, RecordContext};
pub use record::{Picture, PictureMeta, Record};
pub use samples::{PictureShape, Samples, SamplesError};
