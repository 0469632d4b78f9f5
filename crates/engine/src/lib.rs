//! Use-cases over containers, images, exec, system and events.
