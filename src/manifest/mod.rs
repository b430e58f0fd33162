mod object;
mod window;
pub use object::*;
pub use window::*;
