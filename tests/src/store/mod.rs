//! Servers that give the files of a folder: a plain HTTP server, and one that speaks enough of S3's protocol for pictures,
//! prepared sets and snapshots.

mod request;
mod s3;
mod web;

use std::{
    io::{BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use request::{Answer, Request, read_request};

/// A server on a port of this machine, for as long as the test runs.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

/// What it is told to do with the requests that come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers them.
    Well,
    /// Says of so many of them that it is too busy, and then answers.
    Busy(u64),
    /// Answers so many of them, and then closes their connections.
    GoneAfter(u64),
    /// Answers with half of what was promised, and closes the connection.
    CutShort,
    /// Answers none until it is told to behave otherwise.
    Hangs,
}

#[derive(Debug)]
struct State {
    folder: PathBuf,
    answers: fn(&State, &Request) -> Answer,
    behaviour: Mutex<Behaviour>,
    told: Condvar,
    /// How many requests have hung.
    hung: AtomicUsize,
    uploads: Mutex<s3::Uploads>,
}

impl Server {
    /// Gives files and parts of them, as any web server does, and can't list them.
    ///
    /// # Panics
    /// There is no port.
    pub fn web(folder: &Path) -> Self {
        Self::start(folder, web::answer)
    }

    /// Speaks S3's protocol. Each folder in this one is a bucket.
    ///
    /// # Panics
    /// There is no port.
    pub fn s3(folder: &Path) -> Self {
        Self::start(folder, s3::answer)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The environment of a process that uses it as S3, with the credentials that it wants.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_ACCESS_KEY_ID", s3::KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ("AWS_REGION", "eu-west-1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Changes what it does with the requests that come from now on, and with those that hang.
    pub fn behave(&self, behaviour: Behaviour) {
        *locked(&self.state.behaviour) = behaviour;
        self.state.told.notify_all();
    }

    /// How many requests have hung so far.
    pub fn hung(&self) -> usize {
        self.state.hung.load(Ordering::SeqCst)
    }

    fn start(folder: &Path, answers: fn(&State, &Request) -> Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let state = Arc::new(State {
            folder: folder.to_owned(),
            answers,
            behaviour: Mutex::new(Behaviour::Well),
            told: Condvar::new(),
            hung: AtomicUsize::new(0),
            uploads: Mutex::default(),
        });
        let served = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = served.clone();
                thread::spawn(move || state.serve(&stream));
            }
        });
        Self { address, state }
    }
}

impl Behaviour {
    /// What is done with this request; the next one may see another behaviour.
    fn next(&mut self) -> Self {
        let now = *self;
        match self {
            Self::Busy(left) | Self::GoneAfter(left) => *left = left.saturating_sub(1),
            Self::Well | Self::CutShort | Self::Hangs => {}
        }
        now
    }
}

impl State {
    /// What is done with the next request, once something is.
    fn next(&self) -> Behaviour {
        let hangs = |behaviour: &mut Behaviour| *behaviour == Behaviour::Hangs;
        let mut told = locked(&self.behaviour);
        if hangs(&mut told) {
            self.hung.fetch_add(1, Ordering::SeqCst);
            told = self.told.wait_while(told, hangs).unwrap_or_else(PoisonError::into_inner);
        }
        told.next()
    }

    /// Answers the requests of a connection until one of the two ends it.
    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let request = read_request(&mut reader)?;
            let behaviour = self.next();
            let answer = match behaviour {
                Behaviour::GoneAfter(0) => return None,
                Behaviour::Busy(1..) => Answer::status("503 Slow Down"),
                _ => (self.answers)(self, &request),
            };
            let mut bytes = answer.bytes(request.method == "HEAD");
            if behaviour == Behaviour::CutShort && request.method == "GET" {
                bytes.truncate(bytes.len() - answer.body.len().div_ceil(2));
                (&*stream).write_all(&bytes).ok()?;
                return None;
            }
            (&*stream).write_all(&bytes).ok()?;
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
