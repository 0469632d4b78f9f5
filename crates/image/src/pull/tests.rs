//! Pulls from the real registry, and from one that misbehaves.

mod faulty;
mod real;
