//! Codes of replies and of closes, and what a client does about a close.

/// How a request ended (`Reply.error`), and why a log ended (`Ended.why`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// Done.
    Ok,
    /// 400: the request makes no sense.
    Invalid,
    /// 401: the token does not prove what it should.
    Unauthorized,
    /// 403: the token does not grant it.
    NotPermitted,
    /// 404.
    NotFound,
    /// 409: another link or another body came first.
    Conflict,
    /// 413: over a limit; nothing of the frame was taken.
    TooLarge,
    /// 429: come back after `retry_after_ms`.
    RateLimited,
    /// 501: this gateway does not know the frame.
    Unimplemented,
    /// 503: not now.
    Unavailable,
    /// Any other number, read by its hundred.
    Other(u32),
}

impl ErrorCode {
    /// The code of this number.
    #[must_use]
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Ok,
            400 => Self::Invalid,
            401 => Self::Unauthorized,
            403 => Self::NotPermitted,
            404 => Self::NotFound,
            409 => Self::Conflict,
            413 => Self::TooLarge,
            429 => Self::RateLimited,
            501 => Self::Unimplemented,
            503 => Self::Unavailable,
            other => Self::Other(other),
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::Invalid => 400,
            Self::Unauthorized => 401,
            Self::NotPermitted => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::RateLimited => 429,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
            Self::Other(code) => code,
        }
    }

    /// Whether the same request may succeed later: rate limits and the unknown of the five hundreds.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        match self {
            Self::RateLimited | Self::Unavailable => true,
            Self::Other(code) => code / 100 == 5,
            Self::Ok
            | Self::Invalid
            | Self::Unauthorized
            | Self::NotPermitted
            | Self::NotFound
            | Self::Conflict
            | Self::TooLarge
            | Self::Unimplemented => false,
        }
    }
}

/// Why a gateway closes: the WebSocket close code, and `Closing.code` before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// 4400: a frame that is none of ours, or at the wrong time.
    ProtocolViolation,
    /// 4401: token missing, malformed, of another app; or the registration was dropped.
    Unauthenticated,
    /// 4403: this origin may not.
    Forbidden,
    /// 4409: a newer generation or link rules.
    Replaced,
    /// 4410: known registration, wrong secret.
    RegistrationInvalid,
    /// 4413: a message over a limit.
    FrameTooLarge,
    /// 4426: the subprotocol's version is unknown.
    UnsupportedVersion,
    /// 4498: the token expired.
    TokenExpired,
    /// 4500: a fault of the gateway.
    Internal,
    /// 4503: the gateway is going away.
    Draining,
    /// 4504: the gateway heard nothing for too long.
    Silent,
    /// 4508: no Hello in time.
    HelloTimeout,
    /// 4529: too much, too fast, or no room.
    TooManyRequests,
    /// Any other number, read by its hundred.
    Other(u16),
}

/// What a client does after a close. The one home of retry-or-not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Come back after the backoff, and not before `reconnect_after_ms`.
    ComeBack,
    /// Fetch a token that is not the one refused, then come back.
    WithNewToken,
    /// Ask the app for another token, once; if that is refused too, stop and tell the app.
    AskApp,
    /// Whoever holds the browser's lock comes back with the ruling generation + 1.
    WithHigherGeneration,
    /// Drop the stored registration and come back as new.
    AsNew,
    /// Stop and tell the app: the same attempt would end the same way.
    Stop,
}

impl CloseCode {
    /// The code of this number.
    #[must_use]
    pub const fn from_code(code: u16) -> Self {
        match code {
            4400 => Self::ProtocolViolation,
            4401 => Self::Unauthenticated,
            4403 => Self::Forbidden,
            4409 => Self::Replaced,
            4410 => Self::RegistrationInvalid,
            4413 => Self::FrameTooLarge,
            4426 => Self::UnsupportedVersion,
            4498 => Self::TokenExpired,
            4500 => Self::Internal,
            4503 => Self::Draining,
            4504 => Self::Silent,
            4508 => Self::HelloTimeout,
            4529 => Self::TooManyRequests,
            other => Self::Other(other),
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::ProtocolViolation => 4400,
            Self::Unauthenticated => 4401,
            Self::Forbidden => 4403,
            Self::Replaced => 4409,
            Self::RegistrationInvalid => 4410,
            Self::FrameTooLarge => 4413,
            Self::UnsupportedVersion => 4426,
            Self::TokenExpired => 4498,
            Self::Internal => 4500,
            Self::Draining => 4503,
            Self::Silent => 4504,
            Self::HelloTimeout => 4508,
            Self::TooManyRequests => 4529,
            Self::Other(code) => code,
        }
    }

    /// What a client does about it. Unknown 44xx stop, everything else unknown comes back: 45xx by
    /// contract, 1000 to 1015 because a proxy or a dying process says those.
    #[must_use]
    pub const fn retry(self) -> Retry {
        match self {
            Self::TokenExpired => Retry::WithNewToken,
            Self::Unauthenticated => Retry::AskApp,
            Self::Replaced => Retry::WithHigherGeneration,
            Self::RegistrationInvalid => Retry::AsNew,
            Self::ProtocolViolation | Self::Forbidden | Self::FrameTooLarge | Self::UnsupportedVersion => {
                Retry::Stop
            }
            Self::Internal | Self::Draining | Self::Silent | Self::HelloTimeout | Self::TooManyRequests => {
                Retry::ComeBack
            }
            Self::Other(code) => {
                if code / 100 == 44 {
                    Retry::Stop
                } else {
                    Retry::ComeBack
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_reads_back_as_written() {
        for code in 0..=u16::MAX {
            assert_eq!(CloseCode::from_code(code).code(), code);
            assert_eq!(ErrorCode::from_code(u32::from(code)).code(), u32::from(code));
        }
    }

    #[test]
    fn an_unknown_code_is_read_by_its_hundred() {
        assert_eq!(CloseCode::from_code(4477).retry(), Retry::Stop);
        assert_eq!(CloseCode::from_code(4577).retry(), Retry::ComeBack);
        assert_eq!(CloseCode::from_code(1006).retry(), Retry::ComeBack);
        assert!(!ErrorCode::from_code(477).is_temporary());
        assert!(ErrorCode::from_code(577).is_temporary());
    }
}
