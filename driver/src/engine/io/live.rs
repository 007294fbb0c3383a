use howdah_proto::JobId;

/// What there is for calls to be about: those for others are of no use any more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Live {
    /// The training jobs that have not ended.
    pub(in crate::engine) jobs: Vec<JobId>,
    /// The addresses of the parameter servers.
    pub(in crate::engine) servers: Vec<String>,
}
