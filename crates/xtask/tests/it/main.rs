//! What holds for the workspace as a whole, and for the seven services together.

mod end_to_end;
mod imports;
