//! Where a scheduler is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Ballista's usual port.
pub(crate) const PORT: u16 = 50050;
/// How long a machine may take to answer that it is there.
const ANSWER: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(250);

/// The address of a scheduler, `df://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let place = text.strip_prefix("df://")?;
            let (host, port) = match place.rsplit_once(':') {
                Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|&port| port > 0)?),
                _ => (place, PORT),
            };
            let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            let six = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            let sound = match six {
                Some(six) => six.parse::<std::net::Ipv6Addr>().is_ok(),
                None => !host.is_empty() && host.bytes().all(name),
            };
            sound.then(|| Self { host: host.to_owned(), port })
        };
        parse().ok_or_else(|| {
            format!("{text:?} is no address of a scheduler: write df://HOST:PORT, as in df://10.0.0.1:{PORT}")
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "df://{}:{}", self.host, self.port)
    }
}

impl Address {
    /// Waits until something listens there, for so long.
    ///
    /// # Errors
    /// Nothing does.
    pub(crate) async fn reach(&self, patience: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let reason = match timeout(ANSWER, TcpStream::connect(format!("{}:{}", self.host, self.port))).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer within {} s", ANSWER.as_secs()),
            };
            if start.elapsed() >= patience {
                bail!("there is no scheduler at {self}: {reason}; start one with `tadne-cluster scheduler`");
            }
            sleep(AGAIN).await;
        }
    }
}

/// An IP address as it stands before a port.
pub(crate) fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        let address = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        for whole in ["df://127.0.0.1:50050", "df://scheduler.example.org:1", "df://[::1]:65535"] {
            assert_eq!(address(whole).unwrap(), whole);
        }
        assert_eq!(address("df://scheduler").unwrap(), "df://scheduler:50050");
        assert_eq!(address("df://[::1]").unwrap(), "df://[::1]:50050");
        for bad in [
            "",
            "df://",
            "10.0.0.1:50050",
            "http://a:1",
            "df://a:0",
            "df://a:65536",
            "df://a:b",
            "df://a/b:1",
            "df://::1:5",
            "df://u@a:1",
        ] {
            assert!(address(bad).is_err_and(|error| error.contains("df://HOST:PORT")), "{bad:?}");
        }
    }
}
