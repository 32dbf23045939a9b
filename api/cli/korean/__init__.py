"""The help of the command line in Korean; imported only where the terminal speaks it."""
