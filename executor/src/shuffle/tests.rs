mod faults;
mod map;
mod reduce;
