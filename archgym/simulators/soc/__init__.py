"""Systems on chip for AR/VR: task graphs on cores, accelerators, memories and buses (light: declarations only)."""
