"""DNN accelerators: an exact analytical cost model, a mapper, and the parts that hardware is made of."""
