//! A client process: exchanges for a while, and tells what it saw.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, future::try_join_all, stream};
use howdah_paramserver::{client::balance, codec};
use howdah_proto::{
    Attempt, Epoch, Partition, Step,
    exchange::{ExchangeClient, Incoming, Part},
    fence::{Fence, TrainTask},
    pb::{self, parameters_client::ParametersClient},
    settings::{Combine, Correction, Encoding, Mode, Pace, PushEvery, ShardSpec, UpdateRule},
    transport::{self, CHUNK_BYTES},
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{measure::cpu_seconds, processes::runtime};

const SPEC: ShardSpec = ShardSpec {
    rule: UpdateRule::Sum,
    correction: Correction { scale: howdah_proto::settings::StalenessScale::None, delay_compensation: None },
    mode: Mode::Asynchronous { push_every: PushEvery::Steps(1) },
    combine: Combine::Mean,
    pace: Pace::CONSTANT,
    average: None,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    Tcp,
    /// Raw TCP, and whoever is pushed to adds up what comes: the least that a push can be.
    TcpAdding,
    Howdah,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    Pull,
    Push,
}

/// What a client is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Work {
    pub way: Way,
    pub direction: Direction,
    pub addresses: Vec<String>,
    pub values: u64,
    pub number: u32,
    pub encoding: Encoding,
    pub seconds: f64,
    /// Exchanges at least.
    pub least: usize,
}

/// What a client saw, without its first exchanges.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Seen {
    /// How long each exchange took, sorted.
    pub seconds: Vec<f64>,
    pub total_seconds: f64,
    pub cpu_seconds: f64,
}

/// A client under way.
pub struct Client(Child);

impl Client {
    pub fn start(work: &Work) -> Self {
        let work = serde_json::to_string(work).unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["client", &work])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Waits until it has connected.
    pub fn ready(&mut self) -> BufReader<std::process::ChildStdout> {
        let mut reader = BufReader::new(self.0.stdout.take().unwrap());
        reader.read_line(&mut String::new()).unwrap();
        reader
    }

    pub fn go(&mut self) {
        self.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    }

    pub fn seen(mut self, reader: &mut impl BufRead) -> Seen {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        self.0.wait().unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

pub async fn create(addresses: &[String], values: u64) {
    for (shard, range) in balance(values, addresses.len() as u32).into_iter().enumerate() {
        let channel = transport::connect(&addresses[shard]).await.unwrap();
        let shard = Some(pb::ShardRef { job_id: 1, shard: shard as u32, term: 1 });
        let (start, len) = (range.start, range.end - range.start);
        let spec = serde_json::to_string(&SPEC).unwrap();
        let request = pb::CreateShardRequest { shard, start, len, spec };
        ParametersClient::new(channel).create(request).await.unwrap();
    }
}

pub fn run(args: &[String]) {
    const WARM_UP: usize = 3;
    let work: Work = serde_json::from_str(&args[0]).unwrap();
    runtime().block_on(async {
        let mut connections = Vec::new();
        let parts = balance(work.values, work.addresses.len() as u32);
        for (shard, (address, range)) in work.addresses.iter().zip(parts).enumerate() {
            let values = (range.end - range.start) as usize;
            connections.push(Connection::open(&work, shard as u32, address, values).await);
        }
        let process = std::process::id();
        println!("ready");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        let mut seconds = Vec::new();
        let (mut start, mut cpu) = (Instant::now(), 0.0);
        for count in 0.. {
            if count == WARM_UP {
                (start, cpu) = (Instant::now(), cpu_seconds(process));
            }
            let began = Instant::now();
            let all = connections.iter_mut().map(|connection| connection.exchange(&work, count as u64 + 1));
            try_join_all(all).await.unwrap();
            if count >= WARM_UP {
                seconds.push(began.elapsed().as_secs_f64());
            }
            let enough = start.elapsed() >= Duration::from_secs_f64(work.seconds);
            if seconds.len() >= work.least && enough {
                break;
            }
        }
        seconds.sort_by(f64::total_cmp);
        let total_seconds = start.elapsed().as_secs_f64();
        let seen = Seen { seconds, total_seconds, cpu_seconds: cpu_seconds(process) - cpu };
        println!("{}", serde_json::to_string(&seen).unwrap());
    });
}

/// A client's way to one shard, with its buffers.
struct Connection {
    to: To,
    shard: u32,
    values: Arc<Vec<f32>>,
    encoded: Vec<u8>,
    room: Vec<f32>,
}

enum To {
    Tcp(TcpStream),
    Howdah(ExchangeClient),
}

impl Connection {
    async fn open(work: &Work, shard: u32, address: &str, values: usize) -> Self {
        let to = match work.way {
            Way::Tcp | Way::TcpAdding => {
                let stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                To::Tcp(stream)
            }
            Way::Howdah => To::Howdah(ExchangeClient::new(transport::connect(address).await.unwrap())),
        };
        let wave = |place: usize| ((place * 7 % 1001) as f32 - 500.0) * 1e-4;
        let buffer = Arc::new((0..values).map(wave).collect());
        Self { to, shard, values: buffer, encoded: Vec::new(), room: vec![0.0; values] }
    }

    async fn exchange(&mut self, work: &Work, step: u64) -> std::io::Result<()> {
        let shard = Some(pb::ShardRef { job_id: 1, shard: self.shard, term: 1 });
        let encoding = serde_json::to_string(&work.encoding).unwrap();
        match (&mut self.to, work.direction) {
            (To::Tcp(stream), Direction::Pull) => {
                let room: &mut [u8] = bytemuck::cast_slice_mut(&mut self.room);
                stream.write_all(&command(0, room.len())).await?;
                stream.read_exact(room).await?;
            }
            (To::Tcp(stream), Direction::Push) => {
                let bytes: &[u8] = bytemuck::cast_slice(&self.values);
                let command = command(if work.way == Way::TcpAdding { 2 } else { 1 }, bytes.len());
                stream.write_all(&command).await?;
                stream.write_all(bytes).await?;
                stream.read_u8().await?;
            }
            (To::Howdah(client), Direction::Pull) => {
                let request = pb::PullRequest { shard, encoding, ..Default::default() };
                receive(client.pull(request).await.unwrap(), work, &mut self.encoded, &mut self.room).await;
            }
            (To::Howdah(client), Direction::Push) => {
                let task = TrainTask { epoch: Epoch(1), partition: Partition(work.number) };
                let fence = Fence::new(task, Attempt(1), Step(step), Step(step)).unwrap();
                let bytes = match work.encoding {
                    Encoding::F32 => bytes::Bytes::from_owner(Owner(Arc::clone(&self.values))),
                    encoding => {
                        let mut encoded = Vec::new();
                        codec::encode(encoding, &self.values, None, &mut encoded);
                        encoded.into()
                    }
                };
                let header = pb::PushHeader {
                    shard,
                    fence: Some(fence.into()),
                    encoding,
                    encoded_bytes: bytes.len() as u64,
                    ..Default::default()
                };
                let header = pb::PushRequest { part: Some(pb::push_request::Part::Header(header)) };
                let starts = (0..bytes.len()).step_by(CHUNK_BYTES);
                let data = starts
                    .map(move |start| Part::Data(bytes.slice(start..bytes.len().min(start + CHUNK_BYTES))));
                let parts = stream::iter(std::iter::once(Part::Message(header)).chain(data)).map(Ok);
                let reply = client.push(Box::pin(parts)).await.unwrap();
                assert_eq!(reply.mark, step);
            }
        }
        Ok(())
    }
}

async fn receive(mut parts: Incoming<pb::PullReply>, work: &Work, encoded: &mut Vec<u8>, room: &mut [f32]) {
    let Some(pb::pull_reply::Part::Header(header)) = parts.message().await.unwrap().part else {
        panic!("no header");
    };
    let plain = work.encoding == Encoding::F32;
    encoded.resize(if plain { 0 } else { header.encoded_bytes as usize }, 0);
    let into: &mut [u8] = if plain { bytemuck::cast_slice_mut(&mut *room) } else { encoded };
    let mut filled = 0;
    while let Some(part) = parts.next().await.unwrap() {
        let Part::Data(data) = part else { panic!("no data") };
        into[filled..filled + data.len()].copy_from_slice(&data);
        filled += data.len();
    }
    assert_eq!(filled, into.len());
    if !plain {
        codec::decode(work.encoding, encoded, room).unwrap();
    }
}

struct Owner(Arc<Vec<f32>>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

fn command(command: u8, length: usize) -> [u8; 9] {
    let mut bytes = [command; 9];
    bytes[1..].copy_from_slice(&(length as u64).to_le_bytes());
    bytes
}
