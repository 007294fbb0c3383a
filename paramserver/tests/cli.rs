//! The binary as its users meet it.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn howdah(args: &[&str], environment: &[(&str, &str)]) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_howdah-paramserver"));
    for name in ["HOWDAH_CONFIG", "HOWDAH_DRIVER", "HOWDAH_LISTEN", "HOWDAH_INSECURE", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    let output = command.args(args).envs(environment.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, text)
}

#[test]
fn help_teaches() {
    let (output, _) = howdah(&["--help"], &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    for word in ["--driver", "--listen", "--insecure", "HOWDAH_DRIVER", "Examples:", "--config"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("lifeline"), "{text}");
}

#[test]
fn a_wrong_driver_is_named_with_a_hint() {
    let (output, text) = howdah(&["--driver", "10.0.0.1"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("`10.0.0.1` is no address of the form http://host:port"), "{text}");
    assert!(text.contains("hint: check --driver"), "{text}");
}

#[test]
fn a_driver_that_does_not_answer_is_given_up_when_the_user_says_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (output, text) = howdah(&["--driver", &format!("http://{free}"), "--give-up-after", "0"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains(&format!("the driver at http://{free} couldn't be reached")), "{text}");
}

#[test]
fn listening_on_the_network_needs_a_flag() {
    let (output, text) = howdah(&["--driver", "http://127.0.0.1:1", "--listen", "0.0.0.0:0"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("pass --insecure to allow it until TLS is set up"), "{text}");
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let file = std::env::temp_dir().join(format!("howdah-paramserver-cli-{}.toml", std::process::id()));
    std::fs::write(&file, "driver = \"from-the-file\"\n").unwrap();
    let file_flag = format!("--config={}", file.display());
    let environment = [("HOWDAH_DRIVER", "from-the-environment")];
    let (_, text) = howdah(&[&file_flag], &[]);
    assert!(text.contains("`from-the-file`"), "{text}");
    let (_, text) = howdah(&[&file_flag], &environment);
    assert!(text.contains("`from-the-environment`"), "{text}");
    let (_, text) = howdah(&[&file_flag, "--driver", "from-the-flag"], &environment);
    assert!(text.contains("`from-the-flag`"), "{text}");

    std::fs::write(&file, "drivr = \"http://127.0.0.1:1\"\n").unwrap();
    let (output, text) = howdah(&[&file_flag], &[]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("unknown key `drivr`; is `driver` meant?"), "{text}");
    assert!(text.contains(&file.display().to_string()), "{text}");
}
