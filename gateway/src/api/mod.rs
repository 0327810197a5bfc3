//! What backends, pages and operators ask over HTTP.
//!
//! ```text
//! request -> tenant (key, scope) -> body read within its bound -> fields -> valid types -> routing -> answer
//! ```

mod pace;
pub mod problem;

pub use pace::Pace;
