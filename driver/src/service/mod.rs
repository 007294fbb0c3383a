//! The driver's gRPC services: they check what arrives, hand it to the engine, and stream answers.

mod contexts;
mod files;
mod jobs;
mod leave;
mod membership;
mod objects;
mod tasks;

use std::{sync::Arc, time::Duration};

use howdah_proto::{pb, transport::MESSAGE_LIMIT_BYTES};
use tonic::{
    Status,
    transport::server::{Router, Server},
};

use crate::{
    board::Board,
    engine::{EngineClosed, EngineHandle},
    membership::Standards,
    objects::Objects,
};

/// How often members beat, and for how long one may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// The time between two beats.
    pub interval: Duration,
    /// A member that is silent for this long is lost.
    pub timeout: Duration,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { interval: Duration::from_secs(2), timeout: Duration::from_secs(10) }
    }
}

/// Puts the driver's services on a server.
pub fn router(
    mut server: Server,
    engine: &EngineHandle,
    board: &Board,
    objects: &Objects,
    standards: Standards,
    heartbeat: Heartbeat,
) -> Router {
    let standards = Arc::new(standards);
    let membership =
        membership::MembershipService { engine: engine.clone(), standards: standards.clone(), heartbeat };
    let contexts = contexts::ContextsService { engine: engine.clone(), objects: objects.clone(), standards };
    let objects = objects::ObjectsService { objects: objects.clone() };
    let tasks = tasks::TasksService { engine: engine.clone() };
    let files = files::FilesService { board: board.clone() };
    let jobs = jobs::JobsService { engine: engine.clone(), board: board.clone() };
    server
        .add_service(pb::membership_server::MembershipServer::new(membership))
        .add_service(pb::tasks_server::TasksServer::new(tasks).max_decoding_message_size(MESSAGE_LIMIT_BYTES))
        .add_service(pb::files_server::FilesServer::new(files))
        .add_service(pb::jobs_server::JobsServer::new(jobs))
        .add_service(
            pb::contexts_server::ContextsServer::new(contexts).max_decoding_message_size(MESSAGE_LIMIT_BYTES),
        )
        .add_service(pb::objects_server::ObjectsServer::new(objects))
}

impl From<EngineClosed> for Status {
    fn from(closed: EngineClosed) -> Self {
        Self::unavailable(closed.to_string())
    }
}
