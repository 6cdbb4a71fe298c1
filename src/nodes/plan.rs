mod formula;
