//! Training, its exactness under failure, and what its models are good for.

mod ensembles;
mod exactly_once;
mod fitting;
mod interop;
mod kills_by_setting;
mod metrics;
mod prediction;
mod prediction_on_a_cluster;
mod resume;
mod rounds;
mod search;
mod shard_kills;
mod validation;
