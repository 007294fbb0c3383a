//! Carries out studies: several trainings that share a cluster, in a folder from which they can be gone on with.

mod begin;
mod given;
mod place;
mod results;
mod run;
mod settled;
mod show;
mod site;
mod table;
mod trial;

pub(super) use given::{Given, searchable};
pub(super) use run::{Keep, Run};
pub(super) use site::Site;
