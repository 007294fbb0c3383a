use std::{
    future::{Future, poll_fn},
    sync::{Arc, Mutex},
    task::Poll,
};

use tonic::{Status, body::Body, codegen::http::Response};

/// Where in its midst a call is broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Break {
    /// How often the server has gone on with it.
    pub polls: usize,
    pub moment: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// What it waits for is under way.
    Waiting,
    /// What it waits for has happened.
    Woken,
}

/// Breaks off calls of a server as if whoever made them were gone: what the server was doing for them is dropped.
#[derive(Debug, Clone, Default)]
pub struct Breaker(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Unarmed,
    Armed {
        call: &'static str,
        at: Break,
    },
    Met {
        has_broken: bool,
    },
}

impl Breaker {
    /// Breaks off the next call of this name.
    pub fn arm(&self, call: &'static str, at: Break) {
        *self.0.lock().unwrap() = State::Armed { call, at };
    }

    /// Whether the call was broken off: it may have ended before.
    pub fn has_broken(&self) -> bool {
        match std::mem::take(&mut *self.0.lock().unwrap()) {
            State::Met { has_broken } => has_broken,
            state => panic!("the call hasn't come or goes on: {state:?}"),
        }
    }

    /// Goes on with a call that has come to a server, unless it is the one to be broken off.
    pub async fn watch<E>(
        self,
        path: String,
        call: impl Future<Output = Result<Response<Body>, E>>,
    ) -> Result<Response<Body>, E> {
        let Some(at) = self.meet(&path) else { return call.await };
        let ended = until(call, at).await;
        *self.0.lock().unwrap() = State::Met { has_broken: ended.is_none() };
        ended.unwrap_or_else(|| Ok(Status::aborted("broken off").into_http()))
    }

    fn meet(&self, path: &str) -> Option<Break> {
        let mut state = self.0.lock().unwrap();
        match *state {
            State::Armed { call, at } if path.rsplit('/').next() == Some(call) => {
                *state = State::Unarmed;
                Some(at)
            }
            _ => None,
        }
    }
}

/// Goes on with a call until it has ended or is to be broken off; it is dropped then.
async fn until<F: Future>(call: F, at: Break) -> Option<F::Output> {
    let mut call = Box::pin(call);
    let mut polls = 0;
    poll_fn(|context| {
        if polls == at.polls {
            return Poll::Ready(None);
        }
        polls += 1;
        match call.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polls == at.polls && at.moment == Moment::Waiting => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
