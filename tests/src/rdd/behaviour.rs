//! Behaviours: tests of a context that hold wherever its executors are.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use howdah_driver::rdd::Context;
use tokio::runtime::Runtime;

use super::{RddCluster, cluster::without_speculation, functions::registry};
use crate::deadline::DEADLINE;

/// Makes two tests of each behaviour, an `async fn(Context)`: one on a cluster of processes, and one in process.
#[macro_export]
macro_rules! behaviours {
    ($($name:ident),* $(,)?) => {
        mod on_processes {
            $(#[test] fn $name() { $crate::rdd::on_processes(super::$name); })*
        }
        mod in_process {
            $(#[test] fn $name() { $crate::rdd::in_process(super::$name); })*
        }
    };
}

/// Runs a behaviour on a cluster of two executor processes with one slot each. Behaviours that are tested at the same
/// time share it, each with a context of its own.
///
/// # Panics
/// The cluster does not start, or the behaviour fails.
pub fn on_processes<F: Future<Output = ()>>(behaviour: impl FnOnce(Context) -> F) {
    let cluster = shared();
    let context = cluster.context();
    cluster.block_on(in_time(behaviour(context)));
}

/// Runs a behaviour on a cluster of two executors within this process.
///
/// # Panics
/// The cluster does not start, or the behaviour fails.
pub fn in_process<F: Future<Output = ()>>(behaviour: impl FnOnce(Context) -> F) {
    Runtime::new().expect("a runtime").block_on(async {
        let builder = Context::builder().registry(registry()).in_process(2).slots(1);
        let context = builder.start().await.expect("a cluster in this process");
        in_time(behaviour(without_speculation(&context))).await;
        in_time(context.stop()).await;
    });
}

/// A behaviour that hangs is a test that fails.
async fn in_time(behaviour: impl Future<Output = ()>) {
    tokio::time::timeout(DEADLINE, behaviour).await.expect("it comes to an end");
}

/// The cluster of the tests that run just now. A static would keep its processes beyond the end of the last test.
fn shared() -> Arc<RddCluster> {
    static SHARED: Mutex<Weak<RddCluster>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(RddCluster::start(2));
        *shared = Arc::downgrade(&cluster);
        cluster
    })
}
