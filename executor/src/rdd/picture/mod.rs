//! Pictures as records, the operators that transform them, and the blocks that keep them.

mod chain;
mod fit;
mod operator;
mod packed;
mod record;
mod samples;
mod spare;
mod view_chain;
mod views;

pub use chain::{Chain, Unfitted};
pub use fit::{Fit, FitError, GatherContext, MAX_FITTED_BYTES, MAX_SUMMARY_BYTES, Wanted};
pub use operator::{AnyOperator, Augmentation, Operator, OperatorError, RecordContext};
pub use packed::Packed;
pub use record::{Picture, PictureMeta, PictureView, Record};
pub use samples::{
    PictureShape, RowContent, RowKind, SampleRow, Samples, SamplesError, SamplesHeader, Spread,
};
pub use spare::Spare;
pub use view_chain::ViewChain;
pub use views::Views;
