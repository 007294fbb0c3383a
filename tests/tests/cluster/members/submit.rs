//! Jobs that are submitted to a driver with a cluster of its own.

use std::{fs, path::Path};

use howdah_tests::{
    cluster::Cluster,
    pictures::Pictures,
    process::{Process, Signal},
    settings::counting,
};

fn train(cluster: &Cluster, folder: &Path, name: &str, flags: &[&str]) -> Process {
    let fixed = ["train", "--driver", cluster.url(), "--output", name, "--size", "16", "--hidden", "8"];
    Process::start("howdah-driver", fixed.iter().chain(flags), folder)
}

/// The pictures that the metrics of a run say were held out.
fn held_out(output: &Path) -> u64 {
    let metrics = fs::read_to_string(output.join("metrics.json")).unwrap();
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    metrics["test"]["pictures"].as_u64().unwrap()
}

#[test]
fn two_jobs_at_once_both_end_right() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start();
    let _members = [cluster.paramserver("paramserver"), cluster.executor("one"), cluster.executor("two")];
    let mut large = train(&cluster, folder.path(), "large", &["--synthetic", "200", "--epochs", "9"]);
    large.wait_for_line("40 held out");
    let small = train(&cluster, folder.path(), "small", &["--synthetic", "60", "--seed", "2"]);
    small.wait().success();
    large.wait().success();
    assert_eq!(held_out(&folder.path().join("large")), 40);
    assert_eq!(held_out(&folder.path().join("small")), 12);
}

#[test]
fn a_job_whose_parameter_server_dies_says_so_and_goes_on_with_the_one_that_stays() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start();
    let _stays = [cluster.paramserver("the-one-that-stays"), cluster.executor("executor")];
    let dies = cluster.paramserver("the-one-that-dies");
    let mut job = train(&cluster, folder.path(), "first", &["--synthetic", "60", "--epochs", "400"]);
    job.wait_for_line("epoch 1/");
    dies.send(Signal::KILL);
    job.wait_for_line("lost shard");
    job.wait_for_line("started anew from the initial weights");
    let ended = job.wait().success();
    assert!(ended.stdout.contains("each exactly once on 2 shards"), "{}", ended.stdout);
}

#[test]
fn an_interrupted_client_cancels_its_job_and_the_cluster_takes_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start();
    let mut executor = cluster.executor("executor");
    let _paramserver = cluster.paramserver("paramserver");
    let mut job = train(&cluster, folder.path(), "first", &["--synthetic", "60", "--epochs", "100000"]);
    job.wait_for_line("epoch 1/");
    job.send(Signal::INT);
    job.wait().failure(130, &["interrupted"]);
    let next = train(&cluster, folder.path(), "second", &["--synthetic", "60", "--epochs", "1"]);
    next.wait().success();

    // Told to leave, both go of their own accord.
    executor.send(Signal::TERM);
    executor.wait_for_line("the executor takes nothing new");
    executor.wait().success();
    cluster.driver.send(Signal::TERM);
    cluster.driver.wait_for_line("the driver leaves");
}

#[test]
fn status_lists_the_members_of_the_cluster() {
    let cluster = Cluster::start();
    let _members = [cluster.executor("worker-7"), cluster.paramserver("keeper-3")];
    let status = Process::driver(["status", "--driver", cluster.url()]).wait().success();
    let lines: Vec<&str> = status.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", status.stdout);
    assert!(lines[1].contains("worker-7") && lines[1].contains("executor"), "{}", status.stdout);
    assert!(lines[2].contains("keeper-3") && lines[2].contains("parameter server"), "{}", status.stdout);
}

#[test]
fn status_lists_the_jobs_that_have_not_ended() {
    let pictures = Pictures::draw(60);
    let cluster = Cluster::start();
    let job = cluster.submit(&counting(&pictures.data, 4));
    let status = Process::driver(["status", "--driver", cluster.url()]).wait().success();
    let line = status.stdout.lines().find(|line| line.starts_with(&job.id.to_string()));
    assert!(line.is_some_and(|line| line.contains("0 of 4")), "{}", status.stdout);
}

#[test]
fn a_driver_that_is_not_there_is_named_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let flags = ["train", "--driver", &format!("http://{free}"), "--output", "run"];
    let job = Process::start("howdah-driver", flags, folder.path());
    job.wait().failure(1, &["error: can't connect to ", &free.to_string(), "hint: check --driver"]);
}
