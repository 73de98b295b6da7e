//! A mail server that answers as told.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Speaks SMTP on a free port of the loopback device until it is dropped.
pub struct MailServer {
    pub port: u16,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    mails: Mutex<Vec<Mail>>,
    said: Mutex<Vec<String>>,
    answers: Mutex<HashMap<&'static str, VecDeque<Option<String>>>>,
    connections: AtomicUsize,
}

/// An e-mail that was taken.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// As it was sent, lines ended by CRLF.
    pub data: String,
}

impl Mail {
    pub fn header(&self, name: &str) -> &str {
        let start = format!("{name}: ");
        let (head, _) = self.data.split_once("\r\n\r\n").unwrap();
        head.split("\r\n").find_map(|line| line.strip_prefix(&start)).unwrap_or_default()
    }
}

impl MailServer {
    pub async fn start() -> Self {
        Self::start_on(0).await
    }

    pub async fn start_on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let serving = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { port, state, serving }
    }

    /// Returns when nobody can connect any more.
    pub async fn stop(mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// The answer to the next such command for which none is given yet; `.` is the end of a mail, and
    /// `None` means none at all.
    pub fn answer(&self, command: &'static str, answer: Option<&str>) {
        let answer = answer.map(str::to_owned);
        self.state.answers.lock().unwrap().entry(command).or_default().push_back(answer);
    }

    /// The mails taken so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.state.mails.lock().unwrap().clone()
    }

    /// What clients have said so far, but for mails themselves.
    pub fn said(&self) -> Vec<String> {
        self.state.said.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut conversations = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::Relaxed);
        conversations.spawn(converse(stream, Arc::clone(&state)));
    }
}

/// Ends when the client goes or breaks the conversation off.
async fn converse(stream: TcpStream, state: Arc<State>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 mail.example.org ready\r\n").await?;
    let mut mail = Mail::default();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_owned();
        let command = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let argument = line.split_once(':').map(|(_, rest)| rest.trim().to_owned());
        state.said.lock().unwrap().push(line);
        let usual = match command.as_str() {
            "EHLO" => "250-mail.example.org\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
            "AUTH" => "235 welcome",
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        let Some(answer) = state.answer(&command, usual) else { continue };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        match command.as_str() {
            "MAIL" => mail = Mail { from: argument.unwrap_or_default(), ..Mail::default() },
            "RCPT" if answer.starts_with('2') => mail.to.extend(argument),
            "DATA" if answer.starts_with('3') => {
                mail.data = read_data(&mut stream).await?;
                let Some(answer) = state.answer(".", "250 taken") else { continue };
                if answer.starts_with('2') {
                    state.mails.lock().unwrap().push(mail.clone());
                }
                stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
            }
            "QUIT" => return Ok(()),
            _ => {}
        }
    }
}

impl State {
    fn answer(&self, command: &str, usual: &str) -> Option<String> {
        let mut answers = self.answers.lock().unwrap();
        let told = answers.get_mut(command).and_then(VecDeque::pop_front);
        told.unwrap_or_else(|| Some(usual.to_owned()))
    }
}

async fn read_data(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
