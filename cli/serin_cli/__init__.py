"""The one program: serin, also reached as kubectl serin."""
