"""What models are told, as versioned text files in Korean and English; a file that was released is never changed."""
