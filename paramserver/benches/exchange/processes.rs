//! The servers: the bench binary again, in another role.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use howdah_paramserver::server::Paramserver;
use howdah_proto::transport;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tonic::transport::server::TcpIncoming;

/// A child process, ended when it is dropped.
pub struct Process {
    child: Child,
    /// What it says first: where it listens.
    pub address: String,
}

impl Process {
    pub fn start(role: &str) -> Self {
        let mut child =
            Command::new(std::env::current_exe().unwrap()).arg(role).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, address: address.trim().to_owned() }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn say(address: impl std::fmt::Display) {
    println!("{address}");
    std::io::stdout().flush().unwrap();
}

pub fn serve() {
    runtime().block_on(async {
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap().with_nodelay(Some(true));
        say(format_args!("http://{}", incoming.local_addr().unwrap()));
        let routes = Paramserver::new(4 << 30).routes();
        transport::server().add_routes(routes).serve_with_incoming(incoming).await.unwrap();
    });
}

/// The peer: after a command and a length, so many bytes come or go; a push is acknowledged with one byte, and with
/// command 2 it is added up before.
pub fn serve_tcp() {
    runtime().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        say(listener.local_addr().unwrap());
        let sums = Arc::default();
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            tokio::spawn(exchange_tcp(stream, Arc::clone(&sums)));
        }
    });
}

async fn exchange_tcp(mut stream: TcpStream, sums: Arc<Mutex<Vec<f32>>>) {
    let mut values = Vec::<f32>::new();
    while let Ok(command) = stream.read_u8().await {
        let length = stream.read_u64_le().await.unwrap() as usize;
        values.resize(length / size_of::<f32>(), 0.0);
        let buffer: &mut [u8] = bytemuck::cast_slice_mut(&mut values);
        if command == 0 {
            stream.write_all(buffer).await.unwrap();
        } else {
            stream.read_exact(buffer).await.unwrap();
            if command == 2 {
                let mut sums = sums.lock().unwrap();
                sums.resize(values.len(), 0.0);
                sums.iter_mut().zip(&values).for_each(|(sum, value)| *sum += value);
            }
            stream.write_all(&[1]).await.unwrap();
        }
    }
}
