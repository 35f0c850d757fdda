//! The journey of someone who trains on several processes: they start, stop, one dies, and all go on.

#![cfg(unix)]

mod common;

use std::process::Command;

use common::tadne;

/// `tadne train` as one of two processes that meet at `port`.
fn train(arguments: &[&str], rank: usize, port: u16) -> Command {
    let mut command = tadne(&[&["train", "--threads", "1"], arguments].concat());
    let own = [("WORLD_SIZE", 2), ("RANK", rank), ("MASTER_PORT", port.into())];
    command.envs(own.map(|(name, value)| (name, value.to_string())));
    let interface = if cfg!(target_os = "macos") { "lo0" } else { "lo" };
    command.envs([("MASTER_ADDR", "127.0.0.1"), ("GLOO_SOCKET_IFNAME", interface)]);
    command
}

/// What a process that fails complains of.
fn complaint(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[cfg(not(feature = "torch"))]
#[test]
fn a_build_without_libtorch_says_so_before_anything_is_read() {
    println!("two processes are left out: this is a build without libtorch (cargo xtask torch has one)");
    let said = complaint(train(&["--data", "no/such/folder"], 1, 29500));
    assert!(said.contains("without libtorch") && !said.contains("no/such/folder"), "{said}");
}

#[cfg(feature = "torch")]
mod with_libtorch {
    use std::fs;
    use std::io::{BufRead, BufReader, Read};
    use std::net::TcpListener;
    use std::path::Path;
    use std::process::{Child, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    fn pictures(folder: &Path) {
        fs::create_dir(folder).unwrap();
        for i in 0..64u32 {
            let picture = image::RgbImage::from_fn(32, 32, |x, y| {
                let disc = x.abs_diff(i % 8 * 4).pow(2) + y.abs_diff(i / 8 * 4).pow(2) < 64;
                image::Rgb(if disc { [250, (i * 4) as u8, 40] } else { [20, 40, (i * 3) as u8] })
            });
            picture.save(folder.join(format!("{i}.png"))).unwrap();
        }
    }

    /// Both processes, started.
    fn both(arguments: &[&str]) -> [Child; 2] {
        // Free until rank 0 takes it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        [0, 1].map(|rank| train(arguments, rank, port).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// The lines of a process until one begins with `start`.
    fn until(child: &mut Child, start: &str) {
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.starts_with(start)), "{start}");
    }

    /// Whether a process ended well, and what it had yet to say. One that does not end is killed.
    fn end(mut child: Child) -> (bool, String) {
        let begin = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begin.elapsed() > Duration::from_mins(2) {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (child.wait().unwrap().success(), said)
    }

    fn signal(child: &Child, name: &str) {
        assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
    }

    #[test]
    fn one_that_is_asked_stops_both_one_that_dies_ends_both_and_they_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (photos, runs, cache) = (path("photos"), path("runs"), path("cache"));
        pictures(Path::new(&photos));
        let kimg = |run: &str| -> f64 {
            let stats = fs::read_to_string(format!("{run}/stats.jsonl")).unwrap();
            let last: serde_json::Value = serde_json::from_str(stats.lines().last().unwrap()).unwrap();
            last["kimg"].as_f64().unwrap()
        };

        // A run far too long to end. The second process is asked to stop.
        let data = ["--data", &photos, "--cache", &cache];
        let start = ["--config", "tiny", "--kimg", "100000", "--out", &runs];
        let [mut first, second] = both(&[&data[..], &start].concat());
        until(&mut first, "kimg");
        signal(&second, "-INT");
        let (well, said) = end(first);
        assert!(well && said.contains("saved"), "{said}");
        let (well, said) = end(second);
        assert!(well && !said.contains("saved"), "{said}");
        let run = format!("{runs}/00000-tiny");
        assert_eq!(fs::read_dir(&runs).unwrap().count(), 1, "one folder for both");

        // The second one dies.
        let resume = ["--resume", &run];
        let [mut first, mut second] = both(&[&data[..], &resume].concat());
        until(&mut first, "kimg");
        second.kill().unwrap();
        second.wait().unwrap();
        let (well, said) = end(first);
        assert!(!well && said.contains("another process of this run is gone") && said.contains("--resume"), "{said}");
        assert!(said.contains("rank 0 of 2"), "{said}");

        // Both go on from the last checkpoint.
        let more = format!("{}", kimg(&run) + 1.0);
        for child in both(&[&data[..], &resume, &["--kimg", &more]].concat()) {
            let (well, said) = end(child);
            assert!(well, "{said}");
        }
        assert!(kimg(&run) >= more.parse().unwrap());
    }

    #[test]
    fn what_cannot_be_trained_together_is_refused_by_both() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (photos, runs, cache) = (path("photos"), path("runs"), path("cache"));
        pictures(Path::new(&photos));
        let data = ["--data", &photos, "--cache", &cache, "--out", &runs];
        for child in
            both(&[&data[..], &["--config", "tiny", "--batch", "24", "--set", "loss.penalty_fraction=1"]].concat())
        {
            let (well, said) = end(child);
            assert!(!well && said.contains("batch (24) must be a multiple of the 2 processes"), "{said}");
        }
        assert!(!Path::new(&runs).exists(), "before a folder is made");
        let said = complaint(train(&data, 1, 1));
        assert!(said.contains("name it with --config"), "{said}");
        // Nobody else comes.
        let alone = [&data[..], &["--config", "tiny", "--peer-timeout", "1"]].concat();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let said = complaint(train(&alone, 0, port));
        assert!(said.contains("did not meet at 127.0.0.1") && said.contains("RANK"), "{said}");
    }
}
