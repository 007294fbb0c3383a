//! The tables.

use howdah_proto::settings::Encoding;

use crate::{
    clients::{Client, Direction, Seen, Way, Work, create},
    measure::{cpu_seconds, median, peak_megabytes, percentile},
    processes::{Process, runtime},
};

/// The network of facts: 16384-256-128-1.
const VALUES: u64 = 4_227_585;
const BYTES: f64 = size_of::<f32>() as f64;

/// One way of exchanging, with servers and clients of its own.
struct Run {
    way: Way,
    direction: Direction,
    values: u64,
    shards: usize,
    clients: u32,
    encoding: Encoding,
    seconds: f64,
    least: usize,
}

/// What a run gave.
struct Outcome {
    /// Of one client's exchange.
    median_seconds: f64,
    p99_seconds: f64,
    /// Over all clients, of plain bytes.
    gigabytes_per_second: f64,
    cpu_per_gigabyte: f64,
    /// Of the largest server.
    peak_megabytes: f64,
}

impl Run {
    fn new(way: Way, direction: Direction, values: u64) -> Self {
        Self {
            way,
            direction,
            values,
            shards: 1,
            clients: 1,
            encoding: Encoding::F32,
            seconds: 1.0,
            least: 5,
        }
    }

    fn run(&self) -> Outcome {
        let role = match self.way {
            Way::Tcp | Way::TcpAdding => "serve-tcp",
            Way::Howdah => "serve",
        };
        let servers: Vec<Process> = (0..self.shards).map(|_| Process::start(role)).collect();
        let addresses: Vec<String> = servers.iter().map(|server| server.address.clone()).collect();
        if self.way == Way::Howdah {
            runtime().block_on(create(&addresses, self.values));
        }
        let work = |number| Work {
            way: self.way,
            direction: self.direction,
            addresses: addresses.clone(),
            values: self.values,
            number,
            encoding: self.encoding,
            seconds: self.seconds,
            least: self.least,
        };
        let mut clients: Vec<Client> = (0..self.clients).map(|number| Client::start(&work(number))).collect();
        let mut readers: Vec<_> = clients.iter_mut().map(Client::ready).collect();
        let cpu = |servers: &[Process]| servers.iter().map(|server| cpu_seconds(server.id())).sum::<f64>();
        let before = cpu(&servers);
        clients.iter_mut().for_each(Client::go);
        let seen: Vec<Seen> =
            clients.into_iter().zip(&mut readers).map(|(client, reader)| client.seen(reader)).collect();
        let server_cpu = cpu(&servers) - before;
        self.outcome(&seen, server_cpu, &servers)
    }

    fn outcome(&self, seen: &[Seen], server_cpu: f64, servers: &[Process]) -> Outcome {
        // The exchanges before the clock was started count for the servers' processors too.
        const WARM_UP: usize = 3;
        let gigabytes = self.values as f64 * BYTES * 1e-9;
        let exchanges: usize = seen.iter().map(|client| client.seconds.len()).sum();
        let rate = |client: &Seen| client.seconds.len() as f64 * gigabytes / client.total_seconds;
        let client_cpu: f64 = seen.iter().map(|client| client.cpu_seconds).sum();
        let all = (exchanges + WARM_UP * seen.len()) as f64;
        let mut seconds: Vec<f64> = seen.iter().flat_map(|client| client.seconds.clone()).collect();
        seconds.sort_by(f64::total_cmp);
        Outcome {
            median_seconds: median(&seconds),
            p99_seconds: percentile(&seconds, 99),
            gigabytes_per_second: seen.iter().map(rate).sum(),
            cpu_per_gigabyte: client_cpu / (exchanges as f64 * gigabytes) + server_cpu / (all * gigabytes),
            peak_megabytes: servers.iter().map(|server| peak_megabytes(server.id())).fold(0.0, f64::max),
        }
    }
}

/// Runs one after the other, twice, and takes the better of each, as all suffer from the same neighbours.
fn beside<const N: usize>(runs: [Run; N]) -> [Outcome; N] {
    let first = runs.each_ref().map(Run::run);
    let mut runs = runs.iter();
    first.map(|first| match runs.next().map(Run::run) {
        Some(second) if second.gigabytes_per_second > first.gigabytes_per_second => second,
        _ => first,
    })
}

pub fn throughput() {
    println!("\n{VALUES} values (16.9 MB): pull and push, all clients together");
    println!("a push is applied: its floor is TCP with one pass over what came, which adds it up");
    println!(
        "dir   shards clients |  TCP GB/s   floor  howdah  of TCP  of floor | CPU s/GB TCP  howdah | median ms TCP howdah"
    );
    for direction in [Direction::Pull, Direction::Push] {
        for shards in [1, 2, 4] {
            for clients in [1, 2, 8] {
                let run = |way| Run { shards, clients, ..Run::new(way, direction, VALUES) };
                let least = if direction == Direction::Push { Way::TcpAdding } else { Way::Tcp };
                let [tcp, floor, howdah] = beside([run(Way::Tcp), run(least), run(Way::Howdah)]);
                println!(
                    "{direction:?}  {shards:6} {clients:7} | {:9.2} {:7.2} {:7.2} {:7.2} {:9.2} | {:12.2} {:7.2} | {:10.2} {:6.2}",
                    tcp.gigabytes_per_second,
                    floor.gigabytes_per_second,
                    howdah.gigabytes_per_second,
                    howdah.gigabytes_per_second / tcp.gigabytes_per_second,
                    howdah.gigabytes_per_second / floor.gigabytes_per_second,
                    tcp.cpu_per_gigabyte,
                    howdah.cpu_per_gigabyte,
                    tcp.median_seconds * 1e3,
                    howdah.median_seconds * 1e3,
                );
            }
        }
    }
}

pub fn latency() {
    println!("\n256 values (1 KiB): push, until it is acknowledged");
    println!("        p50 us  p99 us");
    for way in [Way::Tcp, Way::Howdah] {
        let outcome = Run { least: 5000, ..Run::new(way, Direction::Push, 256) }.run();
        let (p50, p99) = (outcome.median_seconds * 1e6, outcome.p99_seconds * 1e6);
        println!("{:7}{p50:7.0} {p99:7.0}", format!("{way:?}"));
    }
}

pub fn sizes() {
    println!("\nas the parameters grow: one shard, one client");
    println!(" values  dir  | TCP GB/s  howdah  ratio | CPU s/GB howdah | server's peak MB  of them weights");
    for millions in [1, 10, 50, 200] {
        let values = millions * 1_000_000;
        for direction in [Direction::Pull, Direction::Push] {
            let run = |way| Run::new(way, direction, values);
            let (tcp, howdah) = (run(Way::Tcp).run(), run(Way::Howdah).run());
            println!(
                "{millions:5} M  {direction:?} | {:8.2} {:7.2} {:6.2} | {:15.2} | {:16.0} {:16.0}",
                tcp.gigabytes_per_second,
                howdah.gigabytes_per_second,
                howdah.gigabytes_per_second / tcp.gigabytes_per_second,
                howdah.cpu_per_gigabyte,
                howdah.peak_megabytes,
                values as f64 * BYTES * 1e-6,
            );
        }
    }
}

pub fn encodings() {
    println!("\n{VALUES} values with encodings: one shard, one client; encoding and decoding count");
    println!("encoding               dir  | median ms  times plain");
    let encodings =
        [Encoding::F32, Encoding::Bf16, Encoding::F16, Encoding::Int8, Encoding::TopK { permille: 10 }];
    for direction in [Direction::Pull, Direction::Push] {
        let mut plain = f64::NAN;
        for encoding in encodings {
            // The largest values alone make no weights.
            if direction == Direction::Pull && matches!(encoding, Encoding::TopK { .. }) {
                continue;
            }
            let seconds = Run { encoding, ..Run::new(Way::Howdah, direction, VALUES) }.run().median_seconds;
            plain = if encoding == Encoding::F32 { seconds } else { plain };
            let name = format!("{encoding:?}");
            println!("{name:22} {direction:?} | {:9.2} {:12.2}", seconds * 1e3, plain / seconds);
        }
    }
}
