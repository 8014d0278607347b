"""Workers whose programs are not ours: started, watched over, and in every way that they can fail."""
