//! What makes a right request a wrong one, or one that nobody has thought of.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::document::Operation;
use super::json;
use super::request::{Request, noise, set_json};

/// Texts that have broken something before.
pub const TEXTS: [&str; 22] = [
    "",
    " ",
    ".",
    "..",
    "0",
    "-1",
    "99999999999999999999",
    "1e308",
    "NaN",
    "null",
    "true",
    "undefined",
    "ord_01h455vb4pex5vsknk084sn02q",
    "ord_7zzzzzzzzzzzzzzzzzzzzzzzzz",
    "ORD_01H455VB4PEX5VSKNK084SN02Q",
    "01890a5d-ac96-774b-bcce-b302099a8057",
    "' OR 1=1 --",
    "${jndi:ldap://localhost/a}",
    "<script>alert(1)</script>",
    "ä\u{202e}\u{1f600}\u{301}",
    "a\tb",
    "%s%n%x",
];

/// The same for places where a text stands encoded.
const ENCODED: [&str; 9] =
    ["%00", "a%00b", "%ff", "%c3%28", "%2e%2e%2f", "%2F", "%", "%zz", "%F0%9F%98%80"];

const METHODS: [&str; 11] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "X-ODD",
];

/// Headers that the services read, or that stand between them and their clients.
const HEADERS: [&str; 16] = [
    "Accept",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "Expect",
    "Host",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Range",
    "traceparent",
    "Upgrade",
    "webhook-signature",
    "X-Forwarded-For",
];

const HEADER_VALUES: [&[u8]; 24] = [
    b"",
    b"*",
    b"\"1\"",
    b"W/\"1\"",
    b"\"",
    b"-1",
    b"18446744073709551616",
    b"9223372036854775807",
    b"text/plain",
    b"application/json; charset=utf-16",
    b"application/json;;;=",
    b"multipart/form-data; boundary=a",
    b"gzip",
    b"100-continue",
    b"bytes=0-1",
    b"h2c",
    b"Bearer",
    b"Bearer a.b.c",
    b"Bearer eyJhbGciOiJub25lIn0.e30.",
    b"Basic YTpi",
    b"access_token=a.b.c; refresh_token=x",
    b"00-00000000000000000000000000000000-0000000000000000-00",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
    b"t=99999999999999999999,v1=00",
];

/// Changes one thing about a request.
pub fn mutate(request: &mut Request, operation: &Operation, random: &mut StdRng) {
    match random.random_range(0..100) {
        0..15 => path(request, random),
        15..30 => query(request, operation, random),
        30..45 => header(request, random),
        45..50 => request.method = (*METHODS.choose(random).unwrap()).to_owned(),
        50..58 => token(request, random),
        58..62 => length(request, random),
        _ => body(request, operation, random),
    }
}

fn path(request: &mut Request, random: &mut StdRng) {
    let mut parts: Vec<String> = request.path.split('/').map(str::to_owned).collect();
    let at = random.random_range(1..parts.len());
    match random.random_range(0..8) {
        0 => parts.push(String::new()),
        1 => parts.insert(at, "..".to_owned()),
        2 => drop(parts.remove(at)),
        3 => parts[at] = "x".repeat(random.random_range(1..6000)),
        4 => parts[at] = format!("{}{}", parts[at], ENCODED.choose(random).unwrap()),
        5 => (*ENCODED.choose(random).unwrap()).clone_into(&mut parts[at]),
        _ => parts[at] = encoded(TEXTS.choose(random).unwrap()),
    }
    request.path = parts.join("/");
    if !request.path.starts_with('/') {
        request.path.insert(0, '/');
    }
}

fn query(request: &mut Request, operation: &Operation, random: &mut StdRng) {
    let known = operation.parameters.iter().filter(|parameter| parameter.place == "query");
    let names: Vec<&str> =
        known.map(|parameter| parameter.name.as_str()).chain(["other"]).collect();
    let name = names.choose(random).unwrap();
    let value = match random.random_range(0..4) {
        0 => (*ENCODED.choose(random).unwrap()).to_owned(),
        1 => "x".repeat(random.random_range(1..6000)),
        _ => encoded(TEXTS.choose(random).unwrap()),
    };
    // In front, so that it may also be there twice.
    let rest = if request.query.is_empty() { String::new() } else { format!("&{}", request.query) };
    let separator = ["=", "", "==", "[]=", "[a]="].choose(random).unwrap();
    request.query = format!("{name}{separator}{value}{rest}");
}

/// What no URI may hold is encoded; a server that is sent it anyway is another matter.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$'()*,;:@".contains(&byte);
    let encode = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(encode).collect()
}

fn header(request: &mut Request, random: &mut StdRng) {
    let name = *HEADERS.choose(random).unwrap();
    let value = match random.random_range(0..5) {
        0 => "x".repeat(random.random_range(1..8000)).into_bytes(),
        1 => noise(random).into_iter().filter(|byte| *byte >= 0x20 && *byte != 0x7f).collect(),
        _ => HEADER_VALUES.choose(random).unwrap().to_vec(),
    };
    if name == "Authorization" || name == "Cookie" {
        request.is_signed_in = false;
    }
    if name == "Authorization" || random.random_bool(0.7) {
        request.set(name, value);
    } else {
        request.headers.push((name.to_owned(), value));
    }
    if name == "Cookie" {
        request.remove("Authorization");
    }
}

fn token(request: &mut Request, random: &mut StdRng) {
    let Some(token) = request.header("Authorization").map(<[u8]>::to_vec) else { return };
    request.is_signed_in = false;
    match random.random_range(0..3) {
        0 => request.remove("Authorization"),
        1 => request.headers.push(("Authorization".to_owned(), token)),
        _ => {
            // Not the last character, some of whose bits stand for nothing.
            let at = random.random_range(7..token.len() - 1);
            let mut token = token;
            token[at] = if token[at] == b'A' { b'B' } else { b'A' };
            request.set("Authorization", token);
        }
    }
}

/// Says something else of the body's length than what is true.
fn length(request: &mut Request, random: &mut StdRng) {
    let length = request.body.as_ref().map_or(0, Vec::len);
    match random.random_range(0..3) {
        0 => {
            request.set("Content-Length", (length + 10).to_string());
            request.is_whole = false;
        }
        1 => {
            request.set("Content-Length", "65537");
            request.is_whole = false;
        }
        _ => {
            // In chunks, whatever its length.
            let body = request.body.take().unwrap_or_default();
            request.remove("Content-Length");
            request.set("Transfer-Encoding", "chunked");
            let half = body.len() / 2;
            let mut chunks = Vec::new();
            for chunk in [&body[..half], &body[half..]].into_iter().filter(|one| !one.is_empty()) {
                chunks.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                chunks.extend([chunk, b"\r\n"].concat());
            }
            chunks.extend(b"0\r\n\r\n");
            request.body = Some(chunks);
        }
    }
}

fn body(request: &mut Request, operation: &Operation, random: &mut StdRng) {
    let is_plain = request.header("Transfer-Encoding").is_none() && request.is_whole;
    if !is_plain {
        return;
    }
    let changed = match (&request.body, &operation.body) {
        (Some(body), Some(_)) => json::mutate(body, random),
        // One that nobody asked for.
        _ if random.random_bool(0.3) => b"{\"unasked\":1}".to_vec(),
        _ => return query(request, operation, random),
    };
    set_json(request, changed);
}
