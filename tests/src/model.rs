//! The models of jobs and runs, byte for byte.

use std::{fs, path::Path};

use howdah_driver::client::Client;

use crate::{cluster::Cluster, job::Job};

/// The bytes of the model that a job has made.
///
/// # Panics
/// It has made none.
pub fn model_of(cluster: &Cluster, job: &Job) -> Vec<u8> {
    cluster.block_on(async {
        let mut client = Client::connect(cluster.url()).await.expect("a driver");
        client.model(job.id).await.expect("a model").into()
    })
}

/// The weights of a job's model, once it has come to its good end.
pub fn weights(cluster: &Cluster, job: &mut Job) -> Vec<u8> {
    job.wait_for_report();
    weights_of(&model_of(cluster, job))
}

/// The weights of the model in the folder of a run.
///
/// # Panics
/// There is none.
pub fn weights_in(run: &Path) -> Vec<u8> {
    weights_of(&fs::read(run.join("model.safetensors")).expect("the run has a model"))
}

/// The weights in a model file. What stands before them names the settings, which may differ in where the pictures are or
/// snapshots go.
///
/// # Panics
/// It is no model file.
pub fn weights_of(model: &[u8]) -> Vec<u8> {
    let (header, rest) =
        model.split_first_chunk().expect("a model file begins with the length of its header");
    rest[u64::from_le_bytes(*header) as usize..].to_vec()
}
