//! An address becomes a file, whole or not at all.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use md5::Md5;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use sha2::{Digest, Sha256};
use url::Url;

use super::list::{self, Sum, hex};

pub(super) const UNFINISHED: &str = ".unfinished-";

/// What became of an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Got {
    /// The file is there.
    File(Held),
    /// It was there before.
    There(Held),
    /// It is elsewhere.
    Moved(Url),
    /// It may go well later, after the time that the host asks for.
    Later { reason: String, after: Option<Duration> },
    /// It would not.
    Never(String),
}

/// A file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) bytes: u64,
    pub(super) blake3: [u8; 32],
}

/// How a file is fetched.
#[derive(Clone)]
pub(super) struct Getter {
    pub(super) client: Client,
    pub(super) max_bytes: u64,
}

/// What is known of contents while they come.
struct Sums {
    bytes: u64,
    blake3: blake3::Hasher,
    wanted: Option<(Sum, Hasher)>,
}

enum Hasher {
    Md5(Md5),
    Sha256(Sha256),
}

impl Sums {
    fn new(wanted: Option<Sum>) -> Self {
        let hasher = |sum| match sum {
            Sum::Md5(_) => Hasher::Md5(Md5::new()),
            Sum::Sha256(_) => Hasher::Sha256(Sha256::new()),
        };
        Self { bytes: 0, blake3: blake3::Hasher::new(), wanted: wanted.map(|sum| (sum, hasher(sum))) }
    }

    fn update(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.blake3.update(piece);
        match &mut self.wanted {
            Some((_, Hasher::Md5(hasher))) => hasher.update(piece),
            Some((_, Hasher::Sha256(hasher))) => hasher.update(piece),
            None => {}
        }
    }

    /// The error is a reason to show.
    fn end(self) -> Result<Held, String> {
        let wrong = |name, is: &[u8], wanted: &[u8]| {
            if is == wanted { Ok(()) } else { Err(format!("its {name} is {}, not {}", hex(is), hex(wanted))) }
        };
        match self.wanted {
            Some((Sum::Md5(wanted), Hasher::Md5(hasher))) => wrong("MD5", &hasher.finalize(), &wanted)?,
            Some((Sum::Sha256(wanted), Hasher::Sha256(hasher))) => wrong("SHA-256", &hasher.finalize(), &wanted)?,
            _ => {}
        }
        Ok(Held { bytes: self.bytes, blake3: self.blake3.finalize().into() })
    }
}

impl Getter {
    /// Asks once. The number is the answer's status, 0 if there was none.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) async fn get(&self, url: Url, path: PathBuf, sum: Option<Sum>) -> io::Result<(Got, u16)> {
        let there = path.clone();
        let held = tokio::task::spawn_blocking(move || held(&there, sum)).await.map_err(io::Error::other)??;
        if let Some(held) = held {
            return Ok((Got::There(held), 0));
        }
        let answer = match self.client.get(url.clone()).send().await {
            Ok(answer) => answer,
            Err(error) => return Ok((Got::Later { reason: plain(error), after: None }, 0)),
        };
        let status = answer.status();
        if status == StatusCode::OK {
            return Ok((self.receive(answer, &path, sum).await?, status.as_u16()));
        }
        Ok((other(status, answer.headers(), &url), status.as_u16()))
    }

    async fn receive(&self, mut answer: reqwest::Response, path: &Path, sum: Option<Sum>) -> io::Result<Got> {
        let too_large = || Got::Never(format!("it has more than {} bytes; --max-bytes allows more", self.max_bytes));
        if answer.content_length().is_some_and(|bytes| bytes > self.max_bytes) {
            return Ok(too_large());
        }
        let mut file = begin(path)?;
        let mut sums = Sums::new(sum);
        loop {
            let piece = match answer.chunk().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => return Ok(Got::Later { reason: plain(error), after: None }),
            };
            sums.update(&piece);
            if sums.bytes > self.max_bytes {
                return Ok(too_large());
            }
            file.write_all(&piece)?;
        }
        if sums.bytes == 0 {
            return Ok(Got::Later { reason: "nothing came".into(), after: None });
        }
        let held = match sums.end() {
            Ok(held) => held,
            // A part of it, or a page that asks for patience.
            Err(reason) => return Ok(Got::Later { reason, after: None }),
        };
        let path = path.to_owned();
        let end = move || {
            file.as_file().sync_all()?;
            file.persist(path).map_err(io::Error::from).map(drop)
        };
        tokio::task::spawn_blocking(end).await.map_err(io::Error::other)??;
        Ok(Got::File(held))
    }
}

/// What an answer without contents means.
fn other(status: StatusCode, headers: &HeaderMap, url: &Url) -> Got {
    let reason = format!("the host says {status}");
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match status.as_u16() {
        301 | 302 | 303 | 307 | 308 => match text(LOCATION).map(|place| url.join(place)) {
            Some(Ok(place)) => match list::url(place.as_str()) {
                Ok(place) => Got::Moved(place),
                Err(why) => Got::Never(format!("the host sends on to {place}, and {why}")),
            },
            _ => Got::Never(format!("{reason} and not where")),
        },
        408 | 425 | 429 | 500 | 502..=599 => {
            Got::Later { reason, after: text(RETRY_AFTER).and_then(|text| pause(text, SystemTime::now())) }
        }
        _ => Got::Never(reason),
    }
}

/// How long a host wants to be left alone: seconds, or until a date.
fn pause(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text.trim()).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// A failure in words: what is at the bottom of it says most.
fn plain(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "the host does not go on; --timeout waits longer".into();
    }
    let error = error.without_url();
    let mut last: &dyn Error = &error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// What is there already, if it is what is wanted.
fn held(path: &Path, sum: Option<Sum>) -> io::Result<Option<Held>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (mut sums, mut piece) = (Sums::new(sum), vec![0; 1 << 16]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(sums.end().ok()),
            length => sums.update(&piece[..length]),
        }
    }
}

/// A file on its way, in the same folder, so that it can be renamed.
fn begin(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new();
    file.prefix(UNFINISHED);
    #[cfg(unix)]
    file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    file.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_go_well_later_is_told_from_what_would_not() {
        let url = Url::parse("https://a.example/1.png").unwrap();
        let later = |status: u16| {
            matches!(other(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), &url), Got::Later { .. })
        };
        assert!([408, 425, 429, 500, 502, 503, 504, 507, 520, 524, 530, 599].into_iter().all(later));
        assert!(![204, 302, 400, 403, 404, 410, 451, 501, 600].into_iter().any(later));
    }

    #[test]
    fn pauses_are_seconds_or_dates() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(pause("120", now), Some(Duration::from_mins(2)));
        assert_eq!(pause("Sun, 06 Nov 1994 08:50:07 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(pause("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(pause("soon", now), None);
    }

    #[test]
    fn a_file_that_is_there_counts_if_it_is_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert_eq!(held(&path, None).unwrap(), None);
        fs::write(&path, "abc").unwrap();
        // RFC 1321 and FIPS 180-2 give these of "abc".
        let sums =
            ["900150983cd24fb0d6963f7d28e17f72", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"];
        assert_eq!(held(&path, None).unwrap().map(|held| held.bytes), Some(3));
        let byte = |text: &str, at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
        let right = Sum::Md5(std::array::from_fn(|at| byte(sums[0], at)));
        assert!(held(&path, Some(right)).unwrap().is_some());
        assert!(held(&path, Some(Sum::Sha256(std::array::from_fn(|at| byte(sums[1], at))))).unwrap().is_some());
        fs::write(&path, "ab").unwrap();
        assert_eq!(held(&path, Some(right)).unwrap(), None);
    }
}
