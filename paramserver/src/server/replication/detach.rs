use std::{ops::Range, sync::Arc};

use howdah_proto::Term;
use tokio::runtime::Handle;
use tonic::Status;

use super::link::Pairing;
use crate::{
    client::{Patience, Place, ShardClient},
    server::{
        cell::{Access, ShardKey},
        kept::Kept,
    },
};

/// Lets a shard go on without its standby. The standby hears of it, if it is there still: else it would keep a copy of the
/// shard for as long as the term lasts.
pub(in crate::server) async fn detach(access: Access, order: u64) -> Result<(), Status> {
    let (key, range, term) = (access.cell.key, access.cell.range.clone(), access.term());
    let (link, runtime) = (Arc::clone(&access.cell.link), Handle::current());
    // All at once: the standby hears of it even if whoever asked is gone.
    let detach = move |_: &mut Kept| {
        if !link.holds(order) {
            return;
        }
        let standby = link.standby();
        link.detach();
        if let Some(standby) = standby {
            runtime.spawn(dismiss(key, range, term, standby));
        }
    };
    access.touch(detach).await
}

async fn dismiss(key: ShardKey, range: Range<u64>, term: Term, standby: Pairing) {
    let Pairing { number, address } = standby;
    let place = Place { shard: key.shard, address: address.clone(), range, term, made: term };
    let told = async { ShardClient::new(key.job, place, Patience::default())?.drop_standby(number).await };
    if let Err(error) = told.await {
        tracing::info!(address, %error, "a standby that was detached keeps its copy of {key}");
    }
}
