//! Carries out studies: several trainings that share a cluster, in a folder from which they can be gone on with.

mod begin;
mod given;
mod place;
mod results;
mod run;
mod said;
mod show;
mod site;
mod table;
mod trial;

pub(super) use given::{Given, parse, searchable};
pub(super) use run::{Keep, Run};
pub(super) use said::Said;
pub(super) use site::Site;
