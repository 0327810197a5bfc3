//! Silence: when to break it, when to give a peer up.

use crate::limits;
use crate::time::Instant;
use core::time::Duration;

/// Who spoke when, and how long silence may last.
#[derive(Debug)]
pub(super) struct Beat {
    silence: Duration,
    silence_no: u32,
    heard: Instant,
    /// A ping or pong came: the client lives, but it has answered nothing.
    pinged: Instant,
    spoken: Instant,
    beat_sent: Option<Instant>,
    asked: bool,
}

impl Beat {
    pub(super) fn new(now: Instant, silence: Duration) -> Self {
        Self { silence, silence_no: 0, heard: now, pinged: now, spoken: now, beat_sent: None, asked: false }
    }

    /// The client's wish; 0 keeps what is. True: the silence is another one now.
    pub(super) fn wish(&mut self, silence_s: u32, silence_no: u32) -> bool {
        let before = self.silence;
        if silence_s != 0 {
            self.silence =
                Duration::from_secs(u64::from(silence_s)).clamp(limits::SILENCE_MIN, limits::SILENCE_MAX);
            self.silence_no = silence_no;
        }
        self.silence != before
    }

    /// How long silence may last.
    pub(super) fn silence(&self) -> Duration {
        self.silence
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.asked = false;
    }

    /// A control frame came. It keeps the link from being given up and shortens the silence a Beat proves, but it
    /// postpones none: a library that pings by itself would keep every Beat away, and with them the proof that what
    /// the gateway says arrives.
    pub(super) fn pinged(&mut self, now: Instant) {
        self.pinged = now;
    }

    pub(super) fn spoke(&mut self, now: Instant) {
        self.spoken = now;
    }

    /// Something went out that a living client answers.
    pub(super) fn asked(&mut self) {
        self.asked = true;
    }

    /// When the next Beat is due. Traffic of either side postpones it, but a client that only
    /// listens is asked after twice the silence: otherwise deliveries that need no ack would keep
    /// the beat away until the client is given up as silent.
    pub(super) fn due(&self) -> Instant {
        let silent = self.spoken.max(self.heard) + self.silence;
        let unheard = self.heard + self.silence * 2;
        let again = self.beat_sent.map_or(Instant::ZERO, |at| at + self.silence);
        silent.min(unheard).max(again)
    }

    /// When the client is given up.
    pub(super) fn silent(&self) -> Instant {
        self.heard.max(self.pinged) + self.silence * 2 + limits::SILENT_EXTRA
    }

    /// Sends a beat: its `silence_ms` and `silence_no`.
    pub(super) fn beat(&mut self, now: Instant) -> (u32, u32) {
        self.beat_sent = Some(now);
        self.asked = true;
        let silence = now.saturating_since(self.spoken.max(self.heard).max(self.pinged));
        (millis(silence), self.silence_no)
    }

    /// For a ProbeReply: `heard_ms_ago` and `beat_sent_ms_ago`, before the Probe counts as heard.
    pub(super) fn probed(&self, now: Instant) -> (u32, u32) {
        let beat = self.beat_sent.filter(|sent| *sent > self.heard);
        (
            millis(now.saturating_since(self.heard)),
            beat.map_or(0, |sent| millis(now.saturating_since(sent)).max(1)),
        )
    }

    /// How long ago the client was heard, and whether it owes an answer.
    pub(super) fn state(&self, now: Instant) -> (Duration, bool) {
        (now.saturating_since(self.heard), self.asked)
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
