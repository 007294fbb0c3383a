use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use tonic::{
    Status,
    body::Body,
    codegen::http::{Request, Response},
};
use tower::{Layer, Service};

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

impl<S> Layer<S> for Breaker {
    type Service = Breaking<S>;

    fn layer(&self, inner: S) -> Breaking<S> {
        Breaking { inner, breaker: self.clone() }
    }
}

#[derive(Debug, Clone)]
pub struct Breaking<S> {
    inner: S,
    breaker: Breaker,
}

impl<S> Service<Request<Body>> for Breaking<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let at = self.breaker.meet(request.uri().path());
        let call = self.inner.call(request);
        let Some(at) = at else { return Box::pin(call) };
        let breaker = self.breaker.clone();
        Box::pin(async move {
            let ended = until(call, at).await;
            *breaker.0.lock().unwrap() = State::Met { has_broken: ended.is_none() };
            ended.unwrap_or_else(|| Ok(Status::aborted("broken off").into_http()))
        })
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
