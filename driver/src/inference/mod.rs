//! Classifies pictures with a model or several, however many there are: they are found, computed in chunks, here or on a cluster,
//! and given back in order.

mod backend;
mod cluster;
mod ensemble;
mod flow;
mod here;
mod input;

pub use backend::{Backend, InferenceFailure, Verdicts};
pub use cluster::OnCluster;
pub use ensemble::{ENSEMBLE_FILE, Ensemble, EnsembleError, EnsembleFile};
pub use flow::{Classified, classify};
pub use here::Here;
pub use input::{Input, InputError, ListPlace, PathList, Separator};
