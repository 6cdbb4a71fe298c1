/// Makes a column end right before the cell of the record; gives whether it had one already.
pub(super) fn fill<T: Copy>(column: &mut Vec<T>, rows: usize, absent: T) -> bool {
    let length = column.len();
    if length != rows {
        column.resize(rows, absent);
    }
    length > rows
}

/// The column, leaving an empty one that has room for as much again.
pub(super) fn take_column<T>(column: &mut Vec<T>) -> Vec<T> {
    let room = column.len();
    std::mem::replace(column, Vec::with_capacity(room))
}
