//! Proxies: SOCKS 5 (RFC 1928, RFC 1929) and HTTP CONNECT (RFC 9110 section 9.3.6). The proxy looks up the name of the
//! server, and nothing that it says is kept beyond a few octets.

use std::io;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::config::account::{Host, Proxy, ProxyKind, ProxyLogin};
use crate::smtp::reply::printable;
use crate::system::words;

/// Asks a proxy, over a connection to it, to connect to a server. When this is done, what the stream says comes from the
/// server.
///
/// # Errors
/// Why there is no connection, in words that hold no password.
pub(super) async fn ask(stream: &mut TcpStream, proxy: &Proxy, host: &Host, port: u16) -> Result<(), String> {
    let asked = match proxy.kind {
        ProxyKind::Socks5 => socks5(stream, proxy.login.as_ref(), host, port).await,
        ProxyKind::Http => http(stream, proxy.login.as_ref(), host, port).await,
    };
    asked.map_err(|refusal| match refusal {
        Refusal::Said(text) => text,
        Refusal::Broken(error) if error.kind() == io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        Refusal::Broken(error) => format!("the connection to it broke: {}", words(&error)),
    })
}

enum Refusal {
    Said(String),
    Broken(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::Broken(error)
    }
}

fn said<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Said(text.into()))
}

const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;

async fn socks5(stream: &mut TcpStream, login: Option<&ProxyLogin>, host: &Host, port: u16) -> Result<(), Refusal> {
    let methods: &[u8] = if login.is_some() { &[5, 2, NO_LOGIN, PASSWORD] } else { &[5, 1, NO_LOGIN] };
    stream.write_all(methods).await?;
    match (read::<2>(stream).await?, login) {
        ([5, NO_LOGIN], _) => {}
        ([5, PASSWORD], Some(login)) => socks5_login(stream, login).await?,
        ([5, 0xff], Some(_)) => return said("it takes no user and password"),
        ([5, 0xff], None) => return said("it wants a login"),
        ([5, _], _) => return said("it wants a login that was not offered"),
        _ => return said("it does not speak SOCKS 5"),
    }
    let mut request = vec![5, 1, 0];
    match host {
        // The configuration takes no name of more than 253 octets.
        Host::Name(name) => {
            request.extend([3, name.len() as u8]);
            request.extend_from_slice(name.as_bytes());
        }
        Host::Address(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Host::Address(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
    }
    request.extend(port.to_be_bytes());
    stream.write_all(&request).await?;
    let [version, reply, _, kind] = read::<4>(stream).await?;
    match (version, reply) {
        (5, 0) => {}
        (5, code) => return said(socks5_reply(code)),
        _ => return said("it does not speak SOCKS 5"),
    }
    // The address that the proxy has connected from, and its port: of no use, and to be taken off.
    let rest = match kind {
        1 => 4,
        3 => usize::from(read::<1>(stream).await?[0]),
        4 => 16,
        _ => return said("it does not speak SOCKS 5"),
    };
    let mut bound = [0; 255 + 2];
    stream.read_exact(&mut bound[..rest + 2]).await?;
    Ok(())
}

async fn socks5_login(stream: &mut TcpStream, login: &ProxyLogin) -> Result<(), Refusal> {
    let password = login.password.expose_secret();
    // The configuration takes no more than 255 octets of either (RFC 1929 section 2).
    let mut request = Zeroizing::new(Vec::with_capacity(3 + login.user.len() + password.len()));
    request.extend([1, login.user.len() as u8]);
    request.extend_from_slice(login.user.as_bytes());
    request.push(password.len() as u8);
    request.extend_from_slice(password.as_bytes());
    stream.write_all(&request).await?;
    match read::<2>(stream).await? {
        [_, 0] => Ok(()),
        _ => said("it refused the user and the password"),
    }
}

async fn read<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    stream.read_exact(&mut octets).await?;
    Ok(octets)
}

/// RFC 1928 section 6.
fn socks5_reply(code: u8) -> String {
    match code {
        2 => "it does not allow this connection".to_owned(),
        3 => "from there the network cannot be reached".to_owned(),
        4 => "from there the host cannot be reached".to_owned(),
        5 => "the server refused its connection".to_owned(),
        6 => "its connection to the server timed out".to_owned(),
        7 => "it makes no connections for others".to_owned(),
        8 => "it does not take this kind of address".to_owned(),
        other => format!("it failed without a reason (SOCKS reply {other})"),
    }
}

/// Octets that the header of an HTTP response may have.
const HEADER: usize = 16 * 1024;

async fn http(stream: &mut TcpStream, login: Option<&ProxyLogin>, host: &Host, port: u16) -> Result<(), Refusal> {
    let target = match host {
        Host::Name(name) => format!("{name}:{port}"),
        Host::Address(address) => std::net::SocketAddr::new(*address, port).to_string(),
    };
    let mut request = Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"));
    if let Some(login) = login {
        let pair = Zeroizing::new(format!("{}:{}", login.user, login.password.expose_secret()));
        let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&pair);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    let header = http_header(stream).await?;
    let status = header.split(|octet| *octet == b'\n').next().unwrap_or_default().trim_ascii_end();
    let code = status.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(1..5)?.strip_prefix(b" "));
    match code {
        Some([b'2', _, _]) => Ok(()),
        Some(b"407") if login.is_some() => said("it refused the user and the password"),
        Some(b"407") => said("it wants a user and a password"),
        Some(_) => {
            let text = status.get(b"HTTP/1.1 ".len()..).unwrap_or_default();
            said(format!("it said {}", printable(&text[..text.len().min(100)])))
        }
        None => said("it does not speak HTTP"),
    }
}

/// Reads up to the empty line, and not an octet of what the server says behind it.
async fn http_header(stream: &mut TcpStream) -> Result<Vec<u8>, Refusal> {
    let mut header: Vec<u8> = Vec::new();
    let mut line = 0;
    let mut octets = [0; 1024];
    loop {
        let seen = stream.peek(&mut octets).await?;
        let (count, ends) = match octets[..seen].iter().position(|octet| *octet == b'\n') {
            Some(at) => (at + 1, true),
            None => (seen, false),
        };
        if count == 0 {
            return Err(Refusal::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
        stream.read_exact(&mut octets[..count]).await?;
        header.extend_from_slice(&octets[..count]);
        if ends && header[line..].trim_ascii().is_empty() {
            return Ok(header);
        }
        if ends {
            line = header.len();
        }
        if header.len() > HEADER {
            return said("its answer does not end");
        }
    }
}
