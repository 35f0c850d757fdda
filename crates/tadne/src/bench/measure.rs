//! The measurements of `tadne bench`: clocks around drawings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};
use server::Format;
use synth::{Creativity, Generator, Isa, Picture, Seed, peak_multiply_adds};

/// How threads share the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// All at the same picture or pictures.
    Together,
    /// Each at pictures of its own.
    Apart,
    /// Each at pictures of its own, which it also writes as files in memory.
    #[serde(serialize_with = "extension")]
    Written(Format),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn extension<S: Serializer>(format: &Format, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(format.extension())
}

/// One line of the table.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) threads: usize,
    way: Way,
    /// Pictures drawn at once.
    pub(super) batch: usize,
    /// Median time from the start of a drawing to its end, divided by the pictures it draws; for `apart` the time that
    /// passes from picture to picture.
    pub(super) ms: f64,
    pub(super) fastest_ms: f64,
    /// Processor time of all threads, divided by the pictures; for threads that draw apart, where the system says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_ms: Option<f64>,
    pub(super) pictures_per_second: f64,
    /// Effective: two operations for every multiply-accumulate of the plain forward pass.
    pub(super) gflops: f64,
    /// Of the multiply-adds that these threads can do, as measured just before.
    pub(super) share_of_peak: f64,
}

impl Row {
    /// Draws for about `time`; `peak` is in GFLOP/s.
    pub(super) fn new(
        generator: &Arc<Generator>,
        way: Way,
        threads: usize,
        batch: usize,
        peak: f64,
        time: Duration,
    ) -> Self {
        let Times { ms, fastest_ms, cpu_ms } = match way {
            Way::Together => together(generator, threads, batch, time),
            Way::Apart => apart(generator, threads, time, None),
            Way::Written(format) => apart(generator, threads, time, Some(format)),
        };
        let gflops = 2.0 * generator.architecture().macs() as f64 / 1e6 / ms;
        let pictures_per_second = 1e3 / ms;
        Row { threads, way, batch, ms, fastest_ms, cpu_ms, pictures_per_second, gflops, share_of_peak: gflops / peak }
    }

    /// The way in words.
    pub(super) fn way(&self) -> String {
        match (self.way, self.batch, self.threads) {
            (Way::Apart, ..) => "a picture a thread".into(),
            (Way::Written(format), ..) => format!("the same, as .{}", format.extension()),
            (Way::Together, 1, 1) => "one picture".into(),
            (Way::Together, 1, _) => "one picture, shared".into(),
            (Way::Together, n, 1) => format!("{n} pictures at once"),
            (Way::Together, n, _) => format!("{n} at once, shared"),
        }
    }
}

/// Milliseconds a picture.
struct Times {
    ms: f64,
    fastest_ms: f64,
    cpu_ms: Option<f64>,
}

/// Median and fastest milliseconds a picture.
fn together(generator: &Arc<Generator>, threads: usize, batch: usize, time: Duration) -> Times {
    let mut worker = generator.worker_with_threads(threads);
    let mut pictures = vec![Picture::default(); batch];
    let mut draw = |round: usize| {
        let wanted: Vec<_> = (0..batch).map(|i| (Seed((round * batch + i) as u64), Creativity::default())).collect();
        let start = Instant::now();
        worker.draw_batch(&wanted, &mut pictures);
        start.elapsed().as_secs_f64() * 1e3 / batch as f64
    };
    // The first allocates.
    draw(0);
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || (start.elapsed() < time && times.len() < 10_000) {
        times.push(draw(times.len()));
    }
    let (ms, fastest_ms) = median_and_fastest(times);
    Times { ms, fastest_ms, cpu_ms: None }
}

/// Median and fastest of the time from picture to picture over ten parts of the time, with or without making files.
fn apart(generator: &Arc<Generator>, threads: usize, time: Duration, format: Option<Format>) -> Times {
    let (drawn, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut times = Vec::new();
    let mut cpu_ms = None;
    thread::scope(|scope| {
        for thread in 0..threads {
            let (drawn, stop) = (&drawn, &stop);
            scope.spawn(move || {
                let mut worker = generator.worker();
                let mut picture = Picture::default();
                let mut file = Vec::new();
                for seed in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    worker.draw_into(Seed(seed * 1000 + thread as u64), Creativity::default(), &mut picture);
                    // A model's own picture fits every kind of file.
                    let written = format.map(|format| format.encode_into(&picture, &mut file));
                    std::hint::black_box((written, &file));
                    drawn.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // The first pictures allocate.
        while drawn.load(Ordering::Relaxed) < 2 * threads {
            thread::sleep(Duration::from_millis(1));
        }
        let (cpu, first) = (cpu_ms_so_far(), drawn.load(Ordering::Relaxed));
        for _ in 0..10 {
            let (start, before) = (Instant::now(), drawn.load(Ordering::Relaxed));
            while start.elapsed() < time / 10 || drawn.load(Ordering::Relaxed) - before < threads {
                thread::sleep(Duration::from_micros(200));
            }
            let pictures = drawn.load(Ordering::Relaxed) - before;
            times.push(start.elapsed().as_secs_f64() * 1e3 / pictures as f64);
        }
        let pictures = drawn.load(Ordering::Relaxed) - first;
        cpu_ms = cpu.zip(cpu_ms_so_far()).map(|(from, to)| (to - from) / pictures as f64);
        stop.store(true, Ordering::Relaxed);
    });
    let (ms, fastest_ms) = median_and_fastest(times);
    Times { ms, fastest_ms, cpu_ms }
}

/// Processor time of this process, in steps of 10 ms, where the system says it: `utime` and `stime` of proc(5).
fn cpu_ms_so_far() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some(10.0 * (ticks()? + ticks()?))
}

/// Name, median milliseconds and effective GFLOP/s of every part of the network.
pub(super) fn layers(generator: &Arc<Generator>, threads: usize, time: Duration) -> Vec<(String, f64, Option<f64>)> {
    let mut worker = generator.worker_with_threads(threads);
    let mut picture = Picture::default();
    let mut parts: Vec<(String, Vec<f64>)> = Vec::new();
    let start = Instant::now();
    let mut round = 0;
    while round < 4 || (start.elapsed() < time && round < 1000) {
        let (mut last, mut index) = (Instant::now(), 0);
        worker.draw_watched(Seed(round), Creativity::default(), &mut picture, &mut |name| {
            let now = Instant::now();
            if round == 0 {
                // This one allocates, so it only gives the names.
                parts.push((name.to_owned(), Vec::new()));
            } else {
                parts[index].1.push((now - last).as_secs_f64() * 1e3);
            }
            index += 1;
            last = Instant::now();
        });
        round += 1;
    }
    let macs = generator.architecture().layer_macs();
    let named = |(name, times): (String, Vec<f64>)| {
        let ms = median_and_fastest(times).0;
        let gflops = macs.iter().find(|(known, _)| *known == name).map(|(_, macs)| 2.0 * *macs as f64 / 1e6 / ms);
        (name, ms, gflops)
    };
    parts.into_iter().map(named).collect()
}

/// The most GFLOP/s that so many threads reach with multiply-adds alone.
pub(super) fn peak(generator: &Generator, threads: usize) -> f64 {
    let isa: Isa = generator.simd().parse().unwrap_or(Isa::SCALAR);
    let burst = || {
        let start = Instant::now();
        let operations = peak_multiply_adds(isa, 2_000_000);
        operations as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    let once = || -> f64 {
        thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(burst)).collect();
            burst() + others.into_iter().map(|other| other.join().unwrap_or(0.0)).sum::<f64>()
        })
    };
    (0..5).map(|_| once()).fold(0.0, f64::max)
}

fn median_and_fastest(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0])
}

/// What the system calls the processor.
pub(super) fn machine() -> String {
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = known.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    format!("{} ({}), {cores} cores", name.map_or("unknown processor", |(_, name)| name), std::env::consts::ARCH)
}

/// The most memory this process has had, where the system says so.
pub(super) fn memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib * 1024.0 / 1e6)
}
